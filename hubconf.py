"""Entry points of `torch.hub.load`. Imports stay inside the functions: torch.hub lists every public name here."""

dependencies = ["torch", "timm", "segmentation_models_pytorch", "huggingface_hub", "safetensors", "numpy", "PIL"]

# Entry points for any backbone: the name, which is the model's method, and what it is.
_METHODS = {
    "pylon": "PYLON, pyramid attention over the encoder's maps",
    "cam": "The paper's Baseline, a linear head on the last map",
    "li2018": "The paper's comparison, the patch classifier of Li et al. (2018)",
    "unet": "The paper's comparison, a U-Net decoder",
    "fpn": "The paper's comparison, a feature pyramid decoder",
    "pan": "The paper's comparison, a pyramid attention network",
    "deeplabv3plus": "The paper's comparison, a DeepLabV3+ decoder",
}
# Backbones with an entry point of their own, `pylon_<backbone>`.
_BACKBONES = (
    "convnext_base",
    "convnext_small",
    "convnext_tiny",
    "convnextv2_tiny",
    "densenet121",
    "densenet169",
    "efficientnet_b0",
    "efficientnet_b3",
    "efficientnetv2_rw_s",
    "maxvit_tiny_tf_224",
    "mobilenetv3_large_100",
    "regnety_032",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "seresnext50_32x4d",
    "swin_tiny_patch4_window7_224",
    "vit_base_patch16_224",
    "vit_small_patch16_224",
)


def _create(name, pretrained, options):
    from pylon_zoo import create_model

    return create_model(name, pretrained, **options)


def _any_backbone(method, what):
    def entry(backbone="resnet50", pretrained=None, **options):
        return _create(f"{method}_{backbone}", pretrained, options)

    entry.__name__ = entry.__qualname__ = method
    entry.__doc__ = f"""{what}, on any timm backbone: `torch.hub.load(repo, "{method}", "resnet50", num_classes=14)`.

    `pretrained` and the options are those of `pylon_zoo.create_model`.
    """
    return entry


def _one_backbone(backbone):
    def entry(pretrained=None, **options):
        return _create(f"pylon_{backbone}", pretrained, options)

    entry.__name__ = entry.__qualname__ = f"pylon_{backbone}"
    entry.__doc__ = f"""PYLON on timm's {backbone}: `torch.hub.load(repo, "pylon_{backbone}", num_classes=14)`.

    `pretrained` and the options are those of `pylon_zoo.create_model`.
    """
    return entry


globals().update({_method: _any_backbone(_method, _what) for _method, _what in _METHODS.items()})
globals().update({f"pylon_{_backbone}": _one_backbone(_backbone) for _backbone in _BACKBONES})
