from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from pylon_zoo.errors import ConfigError, WeightsError
from pylon_zoo.models.build import build_model
from pylon_zoo.models.contract import HeatmapClassifier
from pylon_zoo.weights.checkpoint import load_checkpoint, save_checkpoint
from pylon_zoo.weights.file_names import CONFIG_FILE, WEIGHTS_FILE

MakeModel = Callable[..., HeatmapClassifier]

# Architecture and options of models whose description must survive, one reason each.
MODELS = {
    "default": ("pylon_test_resnet", {}),
    "one channel, labels": ("pylon_test_resnet", {"in_chans": 1, "label_names": ("a", "b/c", "Größe")}),
    "softmax": ("pylon_test_resnet", {"activation": "softmax"}),
    "average pooling": ("pylon_test_resnet", {"pooling": "avg"}),
    "group norm": ("pylon_test_resnet", {"norm": "group", "decoder_channels": 64}),
    "ablations": ("pylon_test_resnet", {"attention": False, "up_modules": 1, "up_layers": 1, "up_kernel": 3}),
    "gap and 3×3 head": ("pylon_test_resnet", {"attention_gap": True, "head_kernel": 3}),
    "mlp head": ("pylon_test_resnet", {"head_mlp_layers": 2}),
    "img_size": ("pylon_test_resnet", {"img_size": (64, 96)}),
    "encoder_kwargs": ("pylon_test_resnet", {"encoder_kwargs": {"drop_path_rate": 0.1}}),
    "output stride": ("pylon_test_resnet", {"output_stride": 16}),
    "one fixed size": ("pylon_test_vit", {"img_size": 64}),
    "channels last network": ("pylon_test_convnext", {}),
    "cam": ("cam_test_resnet", {"in_chans": 1}),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_round_trip_changes_nothing(name: str, make_model: MakeModel, tmp_path: Path, no_network: None) -> None:
    architecture, options = MODELS[name]
    model = make_model(architecture, **options)
    again = load_checkpoint(save_checkpoint(model, tmp_path))
    assert not again.training
    assert (again.architecture, again.label_names) == (model.architecture, model.label_names)
    assert again.activation == model.activation
    assert again.pretrained_cfg == model.pretrained_cfg
    assert {key: tensor.dtype for key, tensor in again.state_dict().items()} == {
        key: tensor.dtype for key, tensor in model.state_dict().items()
    }
    images = torch.randn(2, model.in_chans, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again(images), model(images))
    # What was read can be written again, to the same bytes.
    assert digests(save_checkpoint(again, tmp_path / "again")) == digests(tmp_path)


def test_saving_twice_gives_the_same_bytes(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model()
    metadata = {"metrics": {f"metric_{i}": i / 7 for i in range(10)}}
    first, second = (digests(save_checkpoint(model, tmp_path / name, **metadata)) for name in ("a", "b"))
    assert first == second


def test_float16_storage_halves_the_file_and_rounds_once(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model()
    full, half = (
        save_checkpoint(model, tmp_path / str(dtype), dtype=dtype) / WEIGHTS_FILE for dtype in (None, torch.float16)
    )
    assert half.stat().st_size < 0.6 * full.stat().st_size
    assert load_file(half)["decoder.attention.mid.norm.num_batches_tracked"].dtype == torch.int64
    again = load_checkpoint(half.parent)
    for name, tensor in again.state_dict().items():
        expected = model.state_dict()[name]
        assert torch.equal(tensor, expected.half().float() if expected.is_floating_point() else expected), name
    assert digests(save_checkpoint(again, tmp_path / "again", dtype=torch.float16)) == digests(half.parent)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(make_model: MakeModel, tmp_path: Path, value: float) -> None:
    model = make_model()
    with torch.no_grad():
        model.head.weight[0, 0] = value
    with pytest.raises(WeightsError, match=r"head\.weight holds NaN or infinity"):
        save_checkpoint(model, tmp_path / "new")
    assert not (tmp_path / "new" / WEIGHTS_FILE).exists()


def test_values_too_large_for_float16_are_named(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model()
    model.head.bias.data[0] = 1e5
    with pytest.raises(WeightsError, match=r"head\.bias .* too large"):
        save_checkpoint(model, tmp_path, dtype=torch.float16)
    assert list(tmp_path.iterdir()) == []


def test_strided_and_shared_tensors_are_saved(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model().to(memory_format=torch.channels_last)
    # Two parameters that are one, as in networks with tied weights.
    model.decoder.upsampling[0].lateral[1].norm.bias = model.decoder.upsampling[1].lateral[1].norm.bias
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected = model(images)
        torch.testing.assert_close(load_checkpoint(save_checkpoint(model, tmp_path))(images), expected)


def test_config_is_in_timms_schema_with_ours_at_the_root(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(in_chans=1, label_names=("a", "b", "c"), activation="softmax")
    save_checkpoint(model, tmp_path, metrics={"auroc": 0.9})
    config = json.loads((tmp_path / CONFIG_FILE).read_text(encoding="utf-8"))
    assert config["architecture"] == "pylon_test_resnet"
    assert config["num_classes"] == 3
    assert config["num_features"] == 128
    assert config["label_names"] == ["a", "b", "c"]
    assert config["model_args"] == {"in_chans": 1, "alignment": "exact", "activation": "softmax"}
    assert config["metrics"] == {"auroc": 0.9}
    assert timm.models.PretrainedCfg(**config["pretrained_cfg"]).input_size == [1, 160, 160]


def test_thresholds_are_kept_only_where_there_are_any(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(num_classes=2)
    assert "thresholds" not in json.loads((save_checkpoint(model, tmp_path) / CONFIG_FILE).read_text(encoding="utf-8"))
    model.set_thresholds([0.25, 0.5])
    assert load_checkpoint(save_checkpoint(model, tmp_path)).thresholds == (0.25, 0.5)
    config = json.loads((tmp_path / CONFIG_FILE).read_text(encoding="utf-8"))
    (tmp_path / CONFIG_FILE).write_text(json.dumps({**config, "thresholds": [0.25]}), encoding="utf-8")
    with pytest.raises(WeightsError, match="describes a model that cannot be built: thresholds="):
        load_checkpoint(tmp_path)


def test_no_encoder_weights_are_fetched_again(
    make_model: MakeModel, tmp_path: Path, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(timm.models._builder, "load_pretrained", lambda *args, **kwargs: None)
        model = build_model("pylon_resnet18.a1_in1k", 2, encoder_pretrained=True).eval()
    save_checkpoint(model, tmp_path)
    assert 'pretrained": true' not in (tmp_path / CONFIG_FILE).read_text(encoding="utf-8").lower()
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(load_checkpoint(tmp_path)(images), model(images))


def test_a_runs_folder_stands_for_its_best_checkpoint(make_model: MakeModel, tmp_path: Path) -> None:
    save_checkpoint(make_model(num_classes=5), tmp_path / "checkpoint")
    assert load_checkpoint(tmp_path).num_classes == 5


def test_img_size_can_be_chosen_anew(make_model: MakeModel, tmp_path: Path) -> None:
    save_checkpoint(make_model(img_size=64), tmp_path)
    assert load_checkpoint(tmp_path, img_size=(96, 128)).pretrained_cfg["input_size"] == (3, 96, 128)


def test_encoder_kwargs_are_added_to_the_recorded_ones(make_model: MakeModel, tmp_path: Path) -> None:
    save_checkpoint(make_model(encoder_kwargs={"block_args": {"attn_layer": "se"}}), tmp_path)
    # Without the recorded option the attention's tensors would be unknown.
    again = load_checkpoint(tmp_path, encoder_kwargs={"drop_path_rate": 0.1})
    assert again.model_args["encoder_kwargs"] == {"block_args": {"attn_layer": "se"}, "drop_path_rate": 0.1}


def test_a_replaced_head_is_saved_with_its_new_classes(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(num_classes=3, label_names=("a", "b", "c"))
    model.reset_classifier(2)
    again = load_checkpoint(save_checkpoint(model, tmp_path))
    assert (again.num_classes, again.label_names) == (2, ("class_0", "class_1"))


# -- what cannot be saved ----------------------------------------------------------------------------------------------


def test_a_model_that_cannot_be_built_again_is_refused(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model()
    model.architecture = ""
    with pytest.raises(ConfigError, match="create_model"):
        save_checkpoint(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("metadata", [{"metrics": float("nan")}, {"norm": nn.ReLU}])
def test_metadata_that_is_no_json_is_refused_before_anything_is_written(
    metadata: dict[str, object], make_model: MakeModel, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"config\.json cannot hold"):
        save_checkpoint(make_model(), tmp_path, **metadata)
    assert list(tmp_path.iterdir()) == []


def test_metadata_cannot_replace_the_description(make_model: MakeModel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="num_classes"):
        save_checkpoint(make_model(), tmp_path, num_classes=7)


# -- what cannot be loaded ---------------------------------------------------------------------------------------------


@pytest.fixture
def folder(make_model: MakeModel, tmp_path: Path) -> Path:
    return save_checkpoint(make_model(), tmp_path / "model")


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=name):
        load_checkpoint(folder)


def test_a_missing_folder_says_what_a_folder_holds(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone is no folder.*model\.safetensors"):
        load_checkpoint(tmp_path / "gone")


@pytest.mark.parametrize("keep", [0, 4, 1000, -1])
def test_a_truncated_file_is_named(keep: int, folder: Path) -> None:
    path = folder / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=rf"{WEIGHTS_FILE} is not a complete safetensors file"):
        load_checkpoint(folder)


def test_a_pickle_in_place_of_safetensors_is_not_opened(folder: Path, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "executed",)

    (folder / WEIGHTS_FILE).write_bytes(pickle.dumps(Payload()))
    with pytest.raises(WeightsError, match="pickles are not read"):
        load_checkpoint(folder)
    assert not (tmp_path / "executed").exists()


def test_a_tensor_of_another_shape_is_named_with_both_shapes(folder: Path) -> None:
    state = load_file(folder / WEIGHTS_FILE)
    save_file({**state, "head.bias": torch.zeros(4)}, folder / WEIGHTS_FILE)
    with pytest.raises(WeightsError, match=r"head\.bias has the shape \(4,\), but \(3,\)"):
        load_checkpoint(folder)


@pytest.mark.parametrize(("kind", "change"), [("missing", {"head.bias": None}), ("unknown", {"extra": torch.ones(1)})])
def test_missing_and_unknown_tensors_are_named(kind: str, change: dict[str, object], folder: Path) -> None:
    state = {**load_file(folder / WEIGHTS_FILE), **change}
    save_file({name: tensor for name, tensor in state.items() if tensor is not None}, folder / WEIGHTS_FILE)
    with pytest.raises(WeightsError, match=f"{kind}: {next(iter(change))}"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": None}, "lacks architecture"),
        ({"num_classes": None, "pretrained_cfg": None}, "lacks num_classes, pretrained_cfg"),
        ({"architecture": 5}, "architecture is 5, but must be a JSON str"),
        ({"num_classes": "three"}, "num_classes is 'three', but must be a JSON int"),
        ({"model_args": [1]}, "model_args is"),
        ({"architecture": "pylon_resnet5O"}, "cannot be built: Unknown backbone 'resnet5O'.*resnet50"),
        ({"model_args": {"decoder_chanels": 64}}, "cannot be built: Unknown option.*decoder_channels"),
        ({"label_names": ["a"]}, "cannot be built: 1 label names"),
    ],
)
def test_a_config_that_is_wrong_is_named_with_the_key(change: dict[str, object], message: str, folder: Path) -> None:
    config = {**json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")), **change}
    (folder / CONFIG_FILE).write_text(
        json.dumps({key: value for key, value in config.items() if value is not None}), encoding="utf-8"
    )
    with pytest.raises(WeightsError, match=message) as error:
        load_checkpoint(folder)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_config_that_is_no_json_object_is_named(content: str, folder: Path) -> None:
    (folder / CONFIG_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(WeightsError, match=CONFIG_FILE):
        load_checkpoint(folder)


def test_an_override_that_cannot_work_is_the_callers_mistake(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no_such_option"):
        load_checkpoint(folder, encoder_kwargs={"no_such_option": 1})


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}
