from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pylon_zoo.errors import ConfigError, DataError, ImageError, UnknownNameError
from pylon_zoo.explanation.explainer import Explainer, explain, half_logits
from pylon_zoo.preprocessing import preprocess


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 44), dtype=np.uint8)


def test_it_says_what_the_model_says(small_model, pixels: np.ndarray) -> None:
    explanation = explain(small_model, pixels)
    with torch.no_grad():
        logits, heatmaps = small_model.forward_with_heatmap(preprocess(small_model)(pixels)[None])
    assert torch.allclose(explanation.probabilities, logits[0].sigmoid(), atol=1e-6)
    assert torch.allclose(explanation.native_heatmaps, heatmaps[0], atol=1e-5)
    assert explanation.heatmaps.shape == (3, 60, 44)
    assert (explanation.width, explanation.height) == (44, 60)


def test_every_kind_of_image_gives_the_same(small_model, pixels: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    by_path = explain(small_model, path)
    assert by_path.path == str(path)
    for source in (str(path), Image.fromarray(pixels), pixels, torch.from_numpy(pixels)[None]):
        assert torch.equal(explain(small_model, source).native_heatmaps, by_path.native_heatmaps)


def test_labels_choose_and_order(small_model, pixels: np.ndarray) -> None:
    everything = explain(small_model, pixels)
    chosen = explain(small_model, pixels, labels=["effusion", "nodule"])
    assert chosen.labels == ("effusion", "nodule")
    assert torch.equal(chosen.probabilities, everything.probabilities[[2, 0]])
    assert torch.equal(chosen.native_heatmaps, everything.native_heatmaps[[2, 0]])


def test_an_unknown_label_is_named_before_anything_is_read(small_model) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'nodule'"):
        explain(small_model, "no such file.png", labels="nodulle")


def test_modes_are_put_back_even_when_mixed(small_model, pixels: np.ndarray) -> None:
    small_model.train()
    small_model.encoder.eval()
    before = [module.training for module in small_model.modules()]
    state = {name: tensor.clone() for name, tensor in small_model.state_dict().items()}
    explain(small_model, pixels)
    after = [module.training for module in small_model.modules()]
    small_model.eval()
    assert after == before
    assert all(torch.equal(tensor, state[name]) for name, tensor in small_model.state_dict().items())


def test_modes_are_put_back_after_an_error(fixed_model, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fixed_model(torch.zeros(1, 2, 2)).train()
    monkeypatch.setattr(model, "forward_with_heatmap", lambda x: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explain(model, torch.zeros(1, 4, 4))
    assert model.training


def test_results_are_ordinary_tensors(small_model, pixels: np.ndarray) -> None:
    explanation = explain(small_model, pixels)
    for tensor in (explanation.probabilities, explanation.native_heatmaps, explanation.heatmaps):
        assert not tensor.is_inference()
        assert not tensor.requires_grad
        assert tensor.dtype == torch.float32


def test_a_batch_explains_images_of_different_sizes(small_model) -> None:
    explainer = Explainer(small_model)
    images = [np.full(size, 90, dtype=np.uint8) for size in ((40, 40), (33, 70), (1, 1))]
    batch = explainer.run([explainer.load(image) for image in images])
    assert [(one.height, one.width) for one in batch] == [(40, 40), (33, 70), (1, 1)]
    for image, together in zip(images, batch, strict=True):
        alone = explain(small_model, image)
        assert torch.allclose(alone.native_heatmaps, together.native_heatmaps, atol=1e-4)


def test_a_half_precision_model_works(small_model, pixels: np.ndarray) -> None:
    full = explain(small_model, pixels)
    half = explain(small_model.bfloat16(), pixels)
    small_model.float()
    assert half.native_heatmaps.dtype == torch.float32
    assert torch.allclose(half.probabilities, full.probabilities, atol=0.1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_output_that_is_no_number_is_an_error(fixed_model, value: float) -> None:
    heatmap = torch.zeros(2, 3, 3)
    heatmap[1, 0, 0] = value
    with pytest.raises(DataError, match=r"'class_1' for this image is not finite"):
        explain(fixed_model(heatmap), torch.zeros(1, 4, 4))
    assert explain(fixed_model(heatmap), torch.zeros(1, 4, 4), labels="class_0").labels == ("class_0",)


def test_a_missing_file_is_named(small_model) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.png"):
        explain(small_model, "nowhere.png")


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, float("nan")])
def test_the_threshold_is_a_probability(fixed_model, threshold: float) -> None:
    with pytest.raises(ConfigError, match=r"threshold=.* \(0, 1\]"):
        explain(fixed_model(torch.zeros(1, 2, 2)), torch.zeros(1, 4, 4), threshold=threshold)


def test_an_unknown_scaling_suggests_the_right_one(fixed_model) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'absolute'"):
        explain(fixed_model(torch.zeros(1, 2, 2)), torch.zeros(1, 4, 4), scaling="absolut")


@pytest.mark.parametrize("spread", [1.0, 100.0])
def test_half_logits_turn_a_softmax_into_sigmoids(spread: float) -> None:
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)) * spread
    assert torch.allclose((logits - half_logits(logits, "softmax")).sigmoid(), logits.softmax(1), atol=1e-6)


def test_a_single_class_under_softmax_is_certain() -> None:
    logits = torch.tensor([[-3.0]])
    assert (logits - half_logits(logits, "softmax")).sigmoid().tolist() == [[1.0]]


def test_views_are_averaged_in_place(small_model, pixels: np.ndarray) -> None:
    usual = explain(small_model, pixels)
    assert torch.equal(explain(small_model, pixels, views="none").native_heatmaps, usual.native_heatmaps)
    seen, mirrored = (explain(small_model, image, views="mirror") for image in (pixels, pixels[:, ::-1].copy()))
    assert not torch.allclose(seen.native_heatmaps, usual.native_heatmaps)
    assert torch.allclose(seen.heatmaps.flip(-1), mirrored.heatmaps, atol=1e-4)
    assert torch.allclose(seen.probabilities, mirrored.probabilities, atol=1e-5)
    finding, other = seen.top(1)[0], mirrored.top(1)[0]
    assert (finding.label, finding.peak.y) == (other.label, other.peak.y)
    assert abs(finding.peak.x + other.peak.x - 43) <= 1


def test_unknown_views_are_named(small_model) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'mirror'"):
        explain(small_model, "no such file.png", views="mirrror")
