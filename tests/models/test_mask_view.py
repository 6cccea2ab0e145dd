from __future__ import annotations

import copy

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F

import pylon_zoo
from pylon_zoo.cells import to_pixels
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.mask_view import smp_view


@pytest.mark.parametrize("method", ["pylon", "cam", "li2018", "unet"])
@pytest.mark.parametrize("size", [(64, 64), (70, 50)])
def test_masks_are_the_heatmap_at_input_size(method: str, size: tuple[int, int]):
    model = build_model(f"{method}_test_resnet", 2).eval()
    x = torch.randn(2, 3, *size)
    masks = smp_view(model, placement="paper").predict(x)
    assert masks.shape == (2, 2, *size)
    with torch.no_grad():
        heatmap = model.forward_heatmap(x)
        torch.testing.assert_close(masks, F.interpolate(heatmap, size=size, mode="bilinear"))
        torch.testing.assert_close(smp_view(model).predict(x), to_pixels(heatmap, size, model.cell_grid(size)))


def test_it_has_what_smp_models_have():
    theirs = smp.Unet("tu-test_resnet", encoder_weights=None)
    view = pylon_zoo.smp_view(build_model("pylon_test_resnet", 2))
    for part in ("encoder", "decoder", "segmentation_head", "predict", "freeze_encoder", "unfreeze_encoder"):
        assert hasattr(theirs, part)
        assert hasattr(view, part)
    assert {name.partition(".")[0] for name, _ in view.named_parameters()} == {
        name.partition(".")[0] for name, _ in theirs.named_parameters()
    }


def test_weights_are_shared_and_counted_once():
    model = build_model("pylon_test_resnet", 2)
    view = smp_view(model)
    assert {id(p) for p in view.parameters()} == {id(p) for p in model.parameters()}
    assert len(list(view.parameters())) == len(list(model.parameters()))


def test_an_smp_loss_trains_the_classifier_too():
    torch.manual_seed(0)
    model = build_model("pylon_test_resnet", 1)
    view = smp_view(model).train()
    x = torch.randn(2, 3, 64, 64)
    target = torch.zeros(2, 1, 64, 64)
    target[:, :, 10:40, 20:50] = 1
    loss_of = smp.losses.DiceLoss("multilabel")
    optimizer = torch.optim.Adam(view.parameters(), 1e-3)
    before = copy.deepcopy(model.state_dict())
    losses = []
    for _ in range(20):
        loss = loss_of(view(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert any(not torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_modes_and_freezing_reach_the_model():
    model = build_model("pylon_test_resnet", 2)
    view = smp_view(model).eval()
    assert not any(module.training for module in model.modules())
    view.freeze_encoder()
    view.train()
    assert model.training
    assert model.decoder.training
    norms = [layer for layer in model.encoder.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(layer.training for layer in norms)
    assert not any(p.requires_grad for p in view.encoder.parameters())
    view.unfreeze_encoder()
    assert all(p.requires_grad for p in view.parameters())
    assert all(layer.training for layer in norms)


def test_a_model_without_heatmap_gives_no_mask():
    with pytest.raises(ConfigError, match="has no heatmap, so it gives no mask"):
        smp_view(build_model("pylon_test_resnet", 2, head_mlp_layers=2))
