"""Which weights of a checkpoint a new model starts with, tensor by tensor."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.errors import ConfigError, UnknownNameError, WeightsError
from pylon_zoo.factory import list_pretrained
from pylon_zoo.models.build import build_model
from pylon_zoo.training.sections import Origin, build
from pylon_zoo.training.transfer import TransferSection, part_of, transfer_into
from pylon_zoo.weights.checkpoint import load_checkpoint, save_checkpoint

OLD = ("Mass", "Pleural_Thickening", "Effusion")
NEW = ("pleural thickening", "Pleural effusion", "MASS", "Hernia")


def make(architecture="pylon_test_resnet", labels=NEW, in_chans=1, seed=1, **options):
    torch.manual_seed(seed)
    return build_model(architecture, len(labels), in_chans, label_names=labels, **options)


@pytest.fixture
def checkpoint(tmp_path):
    """A PYLON on grey images whose every tensor differs from any new model's."""
    model = make(labels=OLD, seed=0)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.25)
    model.pretrained_cfg |= {"mean": (0.4,), "std": (0.3,)}
    return str(save_checkpoint(model, tmp_path / "run" / "checkpoint"))


def parts_that_equal(first, second) -> dict[str, bool]:
    """Part → whether all its tensors are the same in both."""
    equal: dict[str, bool] = {}
    for name, tensor in first.items():
        part = part_of(name)
        same = name in second and torch.equal(tensor, second[name])
        equal[part] = equal.get(part, True) and same
    return equal


@pytest.mark.parametrize("address", ["{}", "local-dir:{}", "{}/.."])
def test_encoder_and_decoder_are_taken_over_and_the_head_is_new(checkpoint, address):
    model, fresh = make(), make().state_dict()
    report = transfer_into(model, TransferSection(address.format(checkpoint)))
    source = load_checkpoint(checkpoint).state_dict()
    assert parts_that_equal(model.state_dict(), source) == {"encoder": True, "decoder": True, "head": False}
    assert parts_that_equal(model.state_dict(), fresh)["head"]
    assert (report.taken, report.matched, report.fresh) == (("encoder", "decoder"), (), NEW)
    assert str(report).endswith(": encoder and decoder; 4 of 4 head rows are fresh.")
    assert (model.pretrained_cfg["mean"], model.pretrained_cfg["std"]) == ((0.4,), (0.3,))
    assert model.label_names == NEW


@pytest.mark.parametrize("mlp", [0, 2])
def test_rows_go_to_labels_of_the_same_name(tmp_path, mlp):
    source = make(labels=OLD, seed=0, head_mlp_layers=mlp)
    model, fresh = make(head_mlp_layers=mlp), make(head_mlp_layers=mlp)
    folder = save_checkpoint(source, tmp_path)
    report = transfer_into(model, TransferSection(str(folder), head="match_labels"))
    (*_, mine), (*_, theirs), (*_, new) = (one.head.modules() for one in (model, source, fresh))
    for name in ("weight", "bias"):
        mine_rows, their_rows, new_rows = (getattr(layer, name) for layer in (mine, theirs, new))
        assert torch.equal(mine_rows[[0, 2]], their_rows[[1, 0]])
        assert torch.equal(mine_rows[[1, 3]], new_rows[[1, 3]])
    assert (report.matched, report.fresh) == (("pleural thickening", "MASS"), ("Pleural effusion", "Hernia"))
    if mlp:
        assert torch.equal(model.head[0].weight, source.head[0].weight)


def test_a_new_decoder_takes_the_encoder_alone_also_of_another_method(tmp_path):
    folder = str(save_checkpoint(make("cam_test_resnet", OLD, seed=0), tmp_path))
    with pytest.raises(ConfigError, match=r"decoder of .* decoder\.\S+ has the shape .*transfer\.decoder to 'new'"):
        transfer_into(make(), TransferSection(folder))
    model, fresh = make(), make().state_dict()
    report = transfer_into(model, TransferSection(folder, decoder="new"))
    assert report.taken == ("encoder",)
    assert parts_that_equal(model.state_dict(), fresh) == {"encoder": False, "decoder": True, "head": True}
    assert parts_that_equal(model.state_dict(), load_checkpoint(folder).state_dict())["encoder"]


def test_a_decoder_the_model_does_not_have_is_refused(checkpoint):
    with pytest.raises(ConfigError, match=r"decoder\.\S+ is not there in the model"):
        transfer_into(make("cam_test_resnet"), TransferSection(checkpoint))


def test_channels_follow_the_stems_rule(checkpoint):
    model = make(in_chans=3)
    transfer_into(model, TransferSection(checkpoint))
    source = load_checkpoint(checkpoint).eval()
    grey = torch.randn(2, 1, 64, 64)
    features = [one.eval().forward_features(x) for one, x in ((model, grey.expand(-1, 3, -1, -1)), (source, grey))]
    torch.testing.assert_close(*features, rtol=1e-4, atol=1e-4)
    assert model.pretrained_cfg["mean"] == (0.4, 0.4, 0.4)


def test_half_precision_weights_become_the_models_type(tmp_path):
    folder = save_checkpoint(make(labels=OLD, seed=0), tmp_path, dtype=torch.float16)
    model = make()
    transfer_into(model, TransferSection(str(folder), head="match_labels"))
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}


def test_shipped_weights_go_by_name():
    name = next(name for name in list_pretrained() if name.startswith("pylon_resnet18"))
    model = make("pylon_resnet18", decoder_channels=64, encoder_kwargs={"channels": [32, 64, 96, 192]})
    assert transfer_into(model, TransferSection(name)).taken == ("encoder", "decoder")
    with pytest.raises(UnknownNameError):
        transfer_into(model, TransferSection(name + "x"))


def test_what_cannot_be_taken_over_is_refused_and_changes_nothing(checkpoint, tmp_path):
    cases = (
        (make("pylon_test_efficientnet"), TransferSection(checkpoint), ConfigError, r"encoder of .*encoder\.\S+ "),
        (make(decoder_channels=32), TransferSection(checkpoint), ConfigError, "decoder of .* has the shape"),
        (make(labels=("A",)), TransferSection(checkpoint, "match_labels"), ConfigError, "No label of"),
        (make(), TransferSection(checkpoint, "match_labels", "new"), ConfigError, "mean nothing on a new decoder"),
        (make(head_kernel=3), TransferSection(checkpoint, "match_labels"), ConfigError, r"head\.weight"),
        (make(), TransferSection(str(tmp_path / "no")), WeightsError, "is no folder"),
    )
    for model, section, error, message in cases:
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        with pytest.raises(error, match=message):
            transfer_into(model, section)
        assert all(parts_that_equal(model.state_dict(), before).values())


def test_the_section_names_the_nearest_choice():
    with pytest.raises(ConfigError, match=r"transfer\.head .* Did you mean 'match_labels'"):
        build(TransferSection, {"head": "match_label"}, Origin("a.toml"), "transfer.")


def test_a_short_encoder_takes_what_it_has_from_a_whole_one(checkpoint):
    model = make(coarsest_stride=8)
    report = transfer_into(model, TransferSection(checkpoint, decoder="new"))
    source = load_checkpoint(checkpoint).state_dict()
    assert parts_that_equal(model.state_dict(), source)["encoder"]
    assert report.taken == ("encoder",)
