"""Entry points of `torch.hub.load`. Imports stay inside the functions: torch.hub lists every public name here."""

dependencies = ["torch", "timm", "segmentation_models_pytorch", "huggingface_hub", "safetensors", "numpy", "PIL"]


def _create(name, pretrained, options):
    from pylon_zoo import create_model

    return create_model(name, pretrained, **options)


def pylon(backbone="resnet50", pretrained=None, **options):
    """PYLON on any timm backbone: `torch.hub.load(repo, "pylon", "convnext_tiny", num_classes=14)`."""
    return _create(f"pylon_{backbone}", pretrained, options)


def cam(backbone="resnet50", pretrained=None, **options):
    """The paper's Baseline, a linear head on the last map, on any timm backbone."""
    return _create(f"cam_{backbone}", pretrained, options)


def pylon_resnet18(pretrained=None, **options):
    """PYLON on ResNet-18; see `pylon_zoo.create_model` for the options."""
    return _create("pylon_resnet18", pretrained, options)


def pylon_resnet50(pretrained=None, **options):
    """PYLON on ResNet-50, the paper's model; see `pylon_zoo.create_model` for the options."""
    return _create("pylon_resnet50", pretrained, options)
