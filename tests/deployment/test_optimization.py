"""An optimized model is the model: same numbers, same contract, for inference alone."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from random_norms import randomize_norms
from torch import Tensor, nn

import pylon_zoo
from pylon_zoo.deployment.optimization import optimize
from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.models.methods import METHODS
from tests.models.families import FAMILIES, by_family
from tests.models.test_five_kinds import KINDS, SMALL, lack
from tests.models.test_pylon import ABLATIONS

FLOAT32 = 1e-4  # of the map's largest absolute value; the tolerances that docs/speed.md states
LOW_PRECISION = {torch.bfloat16: 0.05, torch.float16: 0.01}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def model_of(name: str, num_classes: int = 3, **options: Any) -> HeatmapClassifier:
    model = build_model(name, num_classes, **options)
    if num_classes and model.has_heatmap:
        nn.init.uniform_(model.head.bias, -0.5, 0.5)
    return randomize_norms(model)


def outputs(model: HeatmapClassifier, x: Tensor) -> tuple[Tensor, ...]:
    with torch.inference_mode():
        return model.forward_with_heatmap(x) if model.has_heatmap else (model(x),)


def difference(actual: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    """The largest one, in units of the largest absolute value."""
    assert [one.shape for one in actual] == [one.shape for one in expected]
    assert all(one.dtype == torch.float32 for one in actual)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(actual, expected, strict=True))


CASES = [(method, kind) for method in METHODS for kind in KINDS if not lack(method, kind)]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "kind"), CASES)
def test_five_kinds_of_backbone(method: str, kind: str):
    name, kwargs = KINDS[kind]
    model = model_of(f"{method}_{name}", in_chans=1, encoder_kwargs=kwargs, **SMALL.get(method, {}))
    fast = optimize(model)
    for size in ((64, 64), (75, 101)):
        x = torch.randn(2, 1, *size)
        assert difference(outputs(fast, x), outputs(model, x)) < FLOAT32
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in fast.modules())


@pytest.mark.parametrize("dtype", LOW_PRECISION)
@pytest.mark.parametrize("kind", KINDS)
def test_low_precision(kind: str, dtype: torch.dtype):
    name, kwargs = KINDS[kind]
    model = model_of(f"pylon_{name}", encoder_kwargs=kwargs)
    x = torch.randn(2, 3, 75, 101)
    assert 0 < difference(outputs(optimize(model, dtype=dtype), x), outputs(model, x)) < LOW_PRECISION[dtype]


# Pre-activation, branches that timm merges, linear layers with a norm, weights made anew, maps that many share.
QUICK = {"densenet", "repvit", "levit", "resnetv2", "nfnet", "hrnet", "fastvit", "cspnet"}


@by_family(QUICK, others=pytest.mark.sweep)
def test_every_family(family: str):
    # In float64: with statistics drawn at random, some networks amplify the rounding of float32 a thousandfold.
    model = model_of(f"pylon_{FAMILIES[family]}", 2, decoder_channels=8).double()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    assert difference(outputs(optimize(model), x), outputs(model, x)) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("options", ABLATIONS.values(), ids=ABLATIONS.keys())
@pytest.mark.parametrize("size", [(64, 64), (50, 71)])
def test_every_option(options: dict[str, Any], size: tuple[int, int]):
    model = model_of("pylon_test_resnet", **{"decoder_channels": 8, **options})
    x = torch.randn(2, 3, *size)
    assert difference(outputs(optimize(model), x), outputs(model, x)) < FLOAT32


def test_more_classes_than_channels():
    model = model_of("pylon_test_resnet", 20, decoder_channels=8)
    fast = optimize(model)
    x = torch.randn(2, 3, 50, 71)
    assert difference(outputs(fast, x), outputs(model, x)) < FLOAT32
    assert fast.num_features == 8  # upsampled before the head, which is the cheaper order here


def test_without_classes():
    model = model_of("pylon_test_resnet", 0)
    x = torch.randn(2, 3, 64, 64)
    assert difference(outputs(optimize(model), x), outputs(model, x)) < FLOAT32


@pytest.mark.parametrize("pooling", ["avg", "topk", "lse", "lse_lba", "mil"])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_poolings(pooling: str, dtype: torch.dtype | None):
    model = model_of("pylon_test_resnet", pooling=pooling)
    if pooling == "lse_lba":
        nn.init.constant_(model.pooling.beta, 0.7071)
    x = torch.randn(2, 3, 64, 64)
    bound = FLOAT32 if dtype is None else LOW_PRECISION[dtype]
    assert difference(outputs(optimize(model, dtype=dtype), x), outputs(model, x)) < bound


def test_the_model_stays_as_it_was():
    model = model_of("pylon_test_resnet").train()
    before = copy.deepcopy(model.state_dict())
    optimize(model, dtype=torch.bfloat16, classes=[1])
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert model.num_classes == model.pretrained_cfg["num_classes"] == 3


def test_it_is_the_same_classifier():
    model = model_of("pylon_test_resnet")
    model.set_labels(["a", "b", "c"])
    model.set_thresholds([0.2, 0.3, 0.4])
    fast = pylon_zoo.optimize(model)
    assert isinstance(fast, HeatmapClassifier)
    for name in ("label_names", "thresholds", "pretrained_cfg", "architecture", "model_args", "global_pool"):
        assert getattr(fast, name) == getattr(model, name), name
    x = torch.randn(1, 3, 64, 64)
    logits, heatmap = outputs(fast, x)
    with torch.no_grad():
        torch.testing.assert_close(fast(x), logits)
        torch.testing.assert_close(fast.forward_heatmap(x), heatmap)
        torch.testing.assert_close(fast.forward_head(fast.forward_features(x)), logits)
        assert fast.forward_features(x).shape[1] == fast.num_features
    image = torch.rand(3, 50, 40)
    ours, theirs = pylon_zoo.explain(fast, image), pylon_zoo.explain(model, image)
    torch.testing.assert_close(ours.heatmaps, theirs.heatmaps, rtol=1e-4, atol=1e-4)
    masks = pylon_zoo.smp_view(fast)(x)
    torch.testing.assert_close(masks, pylon_zoo.smp_view(model)(x), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_stand_alone(again: Any):
    fast = optimize(model_of("pylon_test_resnet"))
    x = torch.randn(1, 3, 64, 64)
    expected = outputs(fast, x)
    twin = again(fast)
    nn.init.zeros_(next(fast.encoder.parameters()))
    assert difference(outputs(twin, x), expected) == 0


def test_inside_inference_mode():
    model = model_of("pylon_test_resnet")
    with torch.inference_mode():
        fast = optimize(model)
    x = torch.randn(1, 3, 64, 64, requires_grad=True)
    fast(x).sum().backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.sweep
def test_compiled():
    model = model_of("pylon_test_resnet")
    fast = optimize(model, compile=True)
    for size in ((64, 64), (75, 101)):
        x = torch.randn(2, 3, *size)
        assert difference(outputs(fast, x), outputs(model, x)) < FLOAT32


# -- some of the classes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"head_kernel": 3}, {"head_mlp_layers": 2}], ids=str)
def test_classes(options: dict[str, Any]):
    model = model_of("pylon_test_resnet", 5, **options)
    model.set_thresholds([0.1, 0.2, 0.3, 0.4, 0.5])
    fast = optimize(model, classes=["class_4", 1])
    x = torch.randn(2, 3, 64, 64)
    assert difference(outputs(fast, x), tuple(one[:, [4, 1]] for one in outputs(model, x))) < FLOAT32
    assert fast.label_names == ("class_4", "class_1")
    assert fast.thresholds == (0.5, 0.2)
    assert fast.num_classes == fast.pretrained_cfg["num_classes"] == 2


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        (["class_9"], UnknownNameError, "no class 'class_9'"),
        ([5], UnknownNameError, "no class 5.*numbers from 0 to 2"),
        ([-1], UnknownNameError, "no class -1"),
        ([True], UnknownNameError, "no class True"),
        ([], ConfigError, "at least one class"),
        ([1, "class_1"], ConfigError, "each once"),
        ("class_1", ConfigError, "give a list"),
    ],
)
def test_classes_that_cannot_be(classes: Any, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        optimize(model_of("pylon_test_resnet"), classes=classes)


def test_classes_of_a_softmax_are_refused():
    with pytest.raises(ConfigError, match="softmax, which needs the logits of all"):
        optimize(model_of("pylon_test_resnet", activation="softmax"), classes=[0])


def test_top_k():
    model = model_of("pylon_test_resnet", 5)
    x = torch.randn(3, 3, 64, 64)
    logits, heatmap = outputs(model, x)
    with torch.inference_mode():
        all_logits, classes, maps = optimize(model).forward_top_k(x, k=2)
        assert optimize(model).forward_top_k(x, k=9)[1].shape == (3, 5)
    torch.testing.assert_close(all_logits, logits, rtol=1e-4, atol=1e-4)
    assert maps.shape == (3, 2, *heatmap.shape[2:])
    for image in range(3):
        assert classes[image].tolist() == sorted(range(5), key=lambda one: -float(logits[image, one]))[:2]
        torch.testing.assert_close(maps[image], heatmap[image, classes[image]], rtol=1e-4, atol=1e-3)


MANY = {"head first": (5, {}), "more than are made at once": (300, {"decoder_channels": 8})}
MANY |= {"a head that sees its neighbours": (300, {"decoder_channels": 8, "head_kernel": 3})}


@pytest.mark.parametrize("pooling", ["max", "mil"])
@pytest.mark.parametrize(("count", "options"), MANY.values(), ids=MANY)
def test_some_maps_of_many_classes_are_those_of_all(count: int, options: dict[str, Any], pooling: str):
    model = model_of("pylon_test_resnet", count, pooling=pooling, **options)
    fast, x = optimize(model), torch.randn(3, 3, 50, 71)
    logits, heatmap = outputs(model, x)
    with torch.inference_mode():
        some_logits, some = fast.forward_classes(x, [4, "class_1"])
        top_logits, classes, top = fast.forward_top_k(x, k=2)
    assert difference((some_logits, some), (logits, heatmap[:, [4, 1]])) < FLOAT32
    expected = torch.stack([maps[wanted] for maps, wanted in zip(heatmap, classes, strict=True)])
    assert difference((top_logits, top), (logits, expected)) < FLOAT32


@pytest.mark.parametrize(("classes", "error"), [(["mass"], UnknownNameError), ([], ConfigError), ([1, 1], ConfigError)])
def test_maps_of_classes_that_cannot_be(classes: Any, error: type[Exception]):
    with pytest.raises(error):
        optimize(model_of("pylon_test_resnet")).forward_classes(torch.zeros(1, 3, 64, 64), classes)


def test_there_are_no_maps_on_demand_of_a_model_without():
    fast = optimize(model_of("pylon_test_resnet", head_mlp_layers=2))
    with pytest.raises(ConfigError, match="has no heatmap"):
        fast.forward_top_k(torch.zeros(1, 3, 64, 64), k=1)


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_top_k_of_no_number(k: Any):
    with pytest.raises(ConfigError, match="k="):
        optimize(model_of("pylon_test_resnet")).forward_top_k(torch.zeros(1, 3, 64, 64), k)


# -- what it is not for -----------------------------------------------------------------------------------------------


def test_it_is_not_trained_saved_or_changed(tmp_path: Path):
    fast = optimize(model_of("pylon_test_resnet"))
    assert not fast.training
    assert fast.eval() is fast
    with pytest.raises(ConfigError, match="cannot be trained"):
        fast.train()
    with pytest.raises(ConfigError, match="Save the model it was made from"):
        pylon_zoo.save_checkpoint(fast, tmp_path / "checkpoint")
    with pytest.raises(ConfigError, match="reset_classifier on the model it was made from"):
        fast.reset_classifier(2)
    with pytest.raises(ConfigError, match="optimized already"):
        optimize(fast)


@pytest.mark.parametrize(
    "options", [{"dtype": torch.int8}, {"dtype": "bf16"}, {"channels_last": 1}, {"compile": "yes"}]
)
def test_options_that_cannot_work(options: dict[str, Any]):
    with pytest.raises(ConfigError, match=next(iter(options))):
        optimize(model_of("pylon_test_resnet"), **options)


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch):
    from pylon_zoo.deployment import optimization

    def spoil(model: nn.Module, run: Any) -> None:
        nn.init.zeros_(next(model.parameters()))

    monkeypatch.setattr(optimization, "fold_norms", spoil)
    with pytest.raises(ConfigError, match="optimized pylon_test_resnet differs from the model by"):
        optimize(model_of("pylon_test_resnet"))
