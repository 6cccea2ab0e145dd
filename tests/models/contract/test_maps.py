"""From images to heatmaps to logits: what every method keeps on every kind of backbone."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.methods import METHODS
from tests.models.contract.cases import (
    CLASSES,
    HEATMAP_SIZES,
    KINDS,
    METHOD_OPTIONS,
    Build,
    Kind,
    can_carry,
    images,
    pooled,
)


def test_every_method_is_covered():
    assert {name.partition("-")[0] for name in METHOD_OPTIONS} == set(METHODS)


@pytest.mark.parametrize(
    ("method", "kind"),
    [(method, kind) for method in METHODS for kind in KINDS if not can_carry(kind, method)],
)
def test_a_backbone_that_cannot_carry_a_method_is_refused_with_the_reason(method: str, kind: str):
    name = KINDS[kind].name
    with pytest.raises(ConfigError, match=f"{method} cannot be built on {name}: .*(stride|one size).*pylon.* run on"):
        build_model(f"{method}_{name}", CLASSES)


def test_shapes(build: Build, case: tuple[str, Kind]):
    model = build().eval()
    x = images()
    with torch.no_grad():
        logits, heatmap = model.forward_with_heatmap(x)
        features = model.forward_features(x)
    stride = model.encoder.strides[-1]
    size_of = HEATMAP_SIZES.get(case[0], lambda height, width: (-(-height // stride), -(-width // stride)))
    assert logits.shape == (2, CLASSES)
    assert heatmap.shape == (2, CLASSES, *size_of(64, 96))
    assert features.shape == (2, model.num_features, *heatmap.shape[2:])
    assert logits.dtype == heatmap.dtype == torch.float32


def test_forward_is_the_pooled_heatmap(build: Build):
    model = build().eval()
    x = images()
    with torch.no_grad():
        heatmap = model.forward_heatmap(x)
        torch.testing.assert_close(model(x), pooled(model, heatmap))
        both = model.forward_with_heatmap(x)
        torch.testing.assert_close(both, (model(x), heatmap), rtol=0, atol=0)
        torch.testing.assert_close(model.forward_head(model.forward_features(x)), model(x), rtol=0, atol=0)


def test_average_pooling_is_the_heatmaps_mean(build: Build):
    model = build(pooling="avg").eval()
    x = images()
    with torch.no_grad():
        torch.testing.assert_close(model(x), model.forward_heatmap(x).mean(dim=(2, 3)))


def test_eval_is_deterministic_and_per_image(build: Build):
    model = build().eval()
    x = images(3)
    with torch.no_grad():
        together = model.forward_heatmap(x)
        torch.testing.assert_close(model.forward_heatmap(x), together, rtol=0, atol=0)
        alone = torch.cat([model.forward_heatmap(x[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(32, 32), (33, 50), (97, 64)])
@pytest.mark.parametrize("training", [True, False])
def test_small_and_odd_sizes_are_finite(build: Build, size: tuple[int, int], training: bool):
    model = build().train(training)
    logits, heatmap = model.forward_with_heatmap(images(2, *size))
    assert heatmap.isfinite().all()
    assert logits.shape == (2, CLASSES)
    assert logits.isfinite().all()


@pytest.mark.parametrize("chans", [1, 5])
def test_in_chans(build: Build, chans: int):
    model = build(in_chans=chans).eval()
    assert model.in_chans == chans
    assert model.pretrained_cfg["input_size"][0] == len(model.pretrained_cfg["mean"]) == chans
    with torch.no_grad():
        assert model(images(1, chans=chans)).isfinite().all()


def test_probabilities(build: Build):
    logits = torch.tensor([[0.0, 1.0, -1.0]])
    assert build().probabilities(logits)[0].tolist() == pytest.approx([0.5, 0.731059, 0.268941], abs=1e-6)
    softmax = build(activation="softmax").probabilities(logits)
    assert softmax[0].tolist() == pytest.approx([0.244728, 0.665241, 0.090031], abs=1e-6)
    assert build().probabilities(logits.bfloat16()).dtype == torch.float32
