from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load, save

from pylon_zoo.errors import WeightsError
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights.golden import TOLERANCE, check_golden, golden_bytes

MakeModel = Callable[..., HeatmapClassifier]


@pytest.mark.parametrize(
    ("architecture", "options", "names"),
    [
        ("pylon_test_resnet", {"in_chans": 1}, {"input", "logits", "heatmap"}),
        ("cam_test_vit", {}, {"input", "logits", "heatmap"}),
        ("pylon_test_resnet", {"head_mlp_layers": 2}, {"input", "logits"}),
    ],
)
def test_a_model_agrees_with_its_own(
    architecture: str, options: dict[str, int], names: set[str], make_model: MakeModel
) -> None:
    model = make_model(architecture, 3, **options).train()
    content = golden_bytes(model)
    assert model.training
    assert load(content).keys() == names
    assert len(content) < 100_000
    assert check_golden(model, content, "golden") == 0
    assert golden_bytes(model) == content


def test_small_differences_are_allowed_and_larger_ones_named(make_model: MakeModel) -> None:
    model = make_model()
    golden = load(golden_bytes(model))
    for share, end in ((0.5, None), (2, r"The heatmap differs .* by 2\.0e-04 of the largest value")):
        changed = golden["heatmap"].clone()
        changed[0, 0, 0, 0] += share * TOLERANCE * changed.abs().max()
        content = save({**golden, "heatmap": changed})
        if end is None:
            assert 0 < check_golden(model, content, "golden") <= TOLERANCE
        else:
            with pytest.raises(WeightsError, match=end):
                check_golden(model, content, "golden")


def test_other_weights_are_found_out(make_model: MakeModel) -> None:
    model = make_model()
    content = golden_bytes(model)
    with torch.no_grad():
        model.head.weight[0, 0] += 0.01
    with pytest.raises(WeightsError, match="differs from those in golden by"):
        check_golden(model, content, "golden")
    with torch.no_grad():
        model.head.weight.fill_(float("nan"))
    with pytest.raises(WeightsError, match="by nan"):
        check_golden(model, content, "golden")


@pytest.mark.parametrize(
    ("change", "end"),
    [
        ({"input": None}, "holds no input of this model"),
        ({"input": torch.zeros(1, 7, 64, 64)}, "holds no input of this model"),
        ({"logits": torch.zeros(1, 9)}, "of other shapes than the model's"),
        ({"heatmap": None}, "of other shapes than the model's"),
    ],
)
def test_a_file_that_holds_other_things(
    change: dict[str, torch.Tensor | None], end: str, make_model: MakeModel
) -> None:
    model = make_model()
    golden = {name: tensor for name, tensor in {**load(golden_bytes(model)), **change}.items() if tensor is not None}
    with pytest.raises(WeightsError, match=end):
        check_golden(model, save(golden), "golden")
