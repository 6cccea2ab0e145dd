from __future__ import annotations

import pickle
import shutil
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor

from pylon_zoo.errors import ConfigError, UnknownNameError, WeightsError
from pylon_zoo.models.cam import CamClassifier
from pylon_zoo.models.pooling import MaxPooling
from pylon_zoo.models.pylon import Pylon
from pylon_zoo.weights import import_official, official
from pylon_zoo.weights.checkpoint import load_checkpoint, save_checkpoint

State = dict[str, Tensor]
TOLERANCE = 1e-4  # of the heatmap's range

NIH_LABELS = (
    "Atelectasis Cardiomegaly Effusion Infiltration Mass Nodule Pneumonia Pneumothorax Consolidation Edema Emphysema "
    "Fibrosis Pleural_Thickening Hernia"
)


@torch.inference_mode()
def assert_same_heatmap(model: Pylon | CamClassifier, images: Tensor, expected: Tensor) -> None:
    logits, heatmap = model.forward_with_heatmap(images)
    spread = (expected.max() - expected.min()).item()
    assert heatmap.shape == expected.shape
    assert (heatmap - expected).abs().max().item() <= TOLERANCE * spread
    assert (logits - expected.amax(dim=(2, 3))).abs().max().item() <= TOLERANCE * spread


# -- the same arithmetic, at the release's own size of network ---------------------------------------------------------


@pytest.fixture(scope="module", params=[(1, 2), (3, 1)], ids=["1 channel, 2 layers", "3 channels, 1 layer"])
def resnet50(request: pytest.FixtureRequest, release: ModuleType) -> tuple[State, Pylon]:
    in_chans, layers = request.param
    state = release.pylon_state(in_chans=in_chans, layers=layers)
    return state, import_official(state)


@pytest.mark.slow
@pytest.mark.parametrize("size", [256, 512])
def test_heatmaps_of_pylon_are_theirs(size: int, resnet50: tuple[State, Pylon], release: ModuleType) -> None:
    state, model = resnet50
    images = torch.randn(1, model.in_chans, size, size, generator=torch.Generator().manual_seed(1))
    expected, mask = release.pylon_heatmap(state, images)
    assert expected.shape == (1, 14, size // 4, size // 4)
    assert mask.min() >= 0
    assert mask.std() > 0.05  # otherwise the attention would not be tested
    assert_same_heatmap(model, images, expected)


def test_every_level_matters_in_that_comparison(resnet50: tuple[State, Pylon]) -> None:
    _, model = resnet50
    with torch.inference_mode():
        spreads = [level.std().item() for level in model.forward_levels(torch.randn(1, model.in_chans, 64, 64))]
    assert min(spreads) > 0.1 * max(spreads)


def test_heatmaps_of_the_baseline_are_theirs(release: ModuleType) -> None:
    state = release.baseline_state()
    model = import_official(state)
    assert isinstance(model, CamClassifier)
    assert isinstance(model.pooling, MaxPooling)
    images = torch.randn(1, 1, 256, 256)
    assert_same_heatmap(model, images, release.baseline_heatmap(state, images))
    assert (len(state), parameters(model)) == (320, 23_530_446)


def test_names_and_parameters_are_as_many_as_in_the_release(resnet50: tuple[State, Pylon]) -> None:
    state, model = resnet50
    if model.in_chans == 1:
        assert (len(state), parameters(model)) == (411, 25_478_741)
    else:
        # One-layer modules: 24,097,109 parameters with one channel; two more channels of the 64 stem kernels of 7×7.
        assert parameters(model) == 24_097_109 + 2 * 64 * 49


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


# -- variants, on a small network --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(release: ModuleType) -> State:
    return release.pylon_state("resnet18", num_classes=5, width=8)


@pytest.mark.slow
@pytest.mark.parametrize(("resnet", "in_chans", "layers"), [("resnet18", 1, 1), ("resnet18", 3, 2), ("resnet34", 1, 2)])
def test_other_resnets_channels_and_layers_are_read_off(
    resnet: str, in_chans: int, layers: int, release: ModuleType
) -> None:
    state = release.pylon_state(resnet, num_classes=3, in_chans=in_chans, layers=layers, width=16)
    model = import_official(state)
    assert (model.architecture, model.num_classes, model.in_chans) == (f"pylon_{resnet}", 3, in_chans)
    assert (model.decoder_channels, len(model.decoder.upsampling[0].lateral)) == (16, layers)
    images = torch.randn(1, in_chans, 256, 256)
    assert_same_heatmap(model, images, release.pylon_heatmap(state, images, resnet)[0])


@pytest.mark.parametrize("resnet", ["resnet50", "resnet101", "resnet152"])
def test_deep_resnets_are_told_by_their_blocks(resnet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(architecture: str, *args: Any, **options: Any) -> None:
        raise ConfigError(f"asked for {architecture}")

    monkeypatch.setattr(official, "build_model", refuse)
    with torch.device("meta"):
        encoder = getattr(torchvision.models, resnet)(weights=None).state_dict()
    state = {f"net.{name}": tensor for name, tensor in encoder.items() if not name.startswith("fc.")}
    with pytest.raises(WeightsError, match=f"asked for cam_{resnet}"):
        import_official(state | {"out.weight": torch.ones(2, 2048, 1, 1)})


def test_ablations_are_read_off(small: State) -> None:
    def without(*parts: str) -> State:
        return {name: tensor for name, tensor in small.items() if not any(part in name for part in parts)}

    assert import_official(without(".pa.down", ".pa.conv")).model_args["attention"] is False
    assert len(import_official(without(".up1.")).decoder.upsampling) == 2
    assert len(import_official(without(".up1.", ".up2.", ".up3.")).decoder.upsampling) == 0
    head = torch.randn(5, 8, 3, 3)
    assert import_official(small | {"net.segmentation_head.0.weight": head}).head.kernel_size == (3, 3)


def test_half_precision_becomes_single(small: State) -> None:
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in small.items()}
    assert {parameter.dtype for parameter in import_official(half).parameters()} == {torch.float32}


# -- labels and input --------------------------------------------------------------------------------------------------


def test_fourteen_classes_are_those_of_nih_in_its_order(resnet50: tuple[State, Pylon]) -> None:
    assert resnet50[1].label_names == tuple(NIH_LABELS.split())


def test_other_counts_get_no_names(small: State) -> None:
    assert import_official(small).label_names[:2] == ("class_0", "class_1")


def test_one_channel_is_normalised_as_the_authors_do(small: State) -> None:
    cfg = import_official(small).pretrained_cfg
    assert (cfg["input_size"], cfg["mean"], cfg["std"]) == ((1, 256, 256), (0.4984,), (0.2483,))


def test_three_channels_keep_the_encoders_statistics(resnet50: tuple[State, Pylon]) -> None:
    model = resnet50[1]
    if model.in_chans == 3:
        assert model.pretrained_cfg["input_size"] == (3, 256, 256)
        assert model.pretrained_cfg["mean"] == (0.485, 0.456, 0.406)


def test_an_imported_model_can_be_saved_and_loaded(small: State, tmp_path: Path) -> None:
    model = import_official(small)
    assert not model.training
    again = load_checkpoint(save_checkpoint(model, tmp_path))
    assert again.pretrained_cfg == model.pretrained_cfg
    images = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again(images), model(images))


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False], ids=["zip format", "older format"])
def test_a_file_as_the_authors_save_it(zipped: bool, small: State, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    torch.save(small, path, pickle_protocol=4, _use_new_zipfile_serialization=zipped)
    model = import_official(path)
    assert torch.equal(model.head.weight, small["net.segmentation_head.0.weight"])
    assert import_official(str(path)).architecture == "pylon_resnet18"


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"state_dict": state},
        lambda state: {"net": state, "opt": None},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
    ],
    ids=["model", "state_dict", "net", "module.", "both"],
)
def test_what_trainers_wrap_around_it_is_taken_off(wrap: Any, small: State, tmp_path: Path) -> None:
    torch.save(wrap(small), tmp_path / "model.pkl")
    for source in (wrap(small), tmp_path / "model.pkl"):
        assert torch.equal(import_official(source).head.bias, small["net.segmentation_head.0.bias"])


def test_an_archive_of_their_files(small: State, release: ModuleType, tmp_path: Path) -> None:
    baseline = release.baseline_state("resnet18")
    with zipfile.ZipFile(tmp_path / "pretrain.zip", "w") as archive:
        for name, state in {"pylon,nih,256": small, "baseline,nih,256": baseline}.items():
            torch.save(state, tmp_path / "one.pkl")
            archive.write(tmp_path / "one.pkl", f"pretrain/{name}.pkl")
    with pytest.raises(ConfigError, match=r"pretrain/pylon,nih,256\.pkl, pretrain/baseline,nih,256\.pkl"):
        import_official(tmp_path / "pretrain.zip")
    assert isinstance(import_official(tmp_path / "pretrain.zip", member="pylon,nih,256.pkl"), Pylon)
    assert isinstance(import_official(tmp_path / "pretrain.zip", member="baseline,nih,256.pkl"), CamClassifier)
    with pytest.raises(UnknownNameError, match="nothing"):
        import_official(tmp_path / "pretrain.zip", member="nothing.pkl")


def test_a_malicious_file_executes_nothing_and_says_so(small: State, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, tuple[str, str]]:
            return shutil.copyfile, (__file__, str(tmp_path / "executed"))

    torch.save({**small, "extra": Payload()}, tmp_path / "model.pkl", pickle_protocol=4)
    with pytest.raises(WeightsError, match=r"model\.pkl holds more.*shutil\.copyfile.*Nothing in it was executed"):
        import_official(tmp_path / "model.pkl")
    assert not (tmp_path / "executed").exists()
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(WeightsError, match="Nothing in it was executed"):
        import_official(tmp_path / "plain.pkl")
    assert not (tmp_path / "executed").exists()


# -- what is not theirs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net.segmentation_head.0.bias": None}, r"missing: head\.bias"),
        ({"net.decoder.pa.mid.0.bn.running_mean": None}, r"missing: decoder\.attention\.mid\.norm\.running_mean"),
        ({"net.encoder.fc.weight": torch.ones(2, 2)}, r"unknown: net\.encoder\.fc\.weight"),
        ({"net.decoder.up2.conv1.conv.weight": torch.ones(1)}, "one layer and of two at once"),
        ({"net.decoder.up4.conv1.0.conv.weight": torch.ones(1)}, r"unknown: net\.decoder\.up4"),
        (
            {"net.decoder.up2.conv1.0.conv.weight": torch.ones(128, 64, 1, 1)},
            r"net\.decoder\.up2\.conv1\.0\.conv\.weight has the shape \(128, 64, 1, 1\), but \(128, 128, 1, 1\)",
        ),
        ({"net.encoder.conv1.weight": None}, r"lacks net\.encoder\.conv1\.weight"),
        ({"net.encoder.conv1.weight": torch.ones(64)}, r"net\.encoder\.conv1\.weight has the shape \(64,\)"),
        ({"net.segmentation_head.0.weight": torch.ones(5, 8)}, r"segmentation_head\.0\.weight has the shape \(5, 8\)"),
        ({"net.decoder.up3.conv1.0.conv.weight": torch.ones(1)}, r"up3\.conv1\.0\.conv\.weight has the shape \(1,\)"),
        ({"net.encoder.layer4.2.conv1.weight": torch.ones(1)}, "encoder of 2-2-2-3 basic blocks"),
        ({"net.segmentation_head.0.weight": torch.ones(5, 8, 5, 5)}, "cannot be built here: head_kernel=5"),
        ({"epoch": 3}, "holds 'epoch', a int, where a state dict has tensors"),
    ],
)
def test_a_state_dict_that_does_not_fit_names_the_tensor(change: dict[str, Any], message: str, small: State) -> None:
    state = {name: value for name, value in {**small, **change}.items() if value is not None}
    with pytest.raises(WeightsError, match=message):
        import_official(state)


@pytest.mark.parametrize("source", [{}, {"state_dict": [1]}, {"weight": torch.ones(1)}])
def test_what_is_no_network_of_theirs_is_refused(source: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match=r"not a state dict|tensors|neither the authors' PYLON nor their Baseline"):
        import_official(source)


def test_a_file_with_something_else_is_named(tmp_path: Path) -> None:
    torch.save([torch.ones(1)], tmp_path / "list.pkl")
    with pytest.raises(WeightsError, match=r"list\.pkl holds a list, not a state dict"):
        import_official(tmp_path / "list.pkl")
