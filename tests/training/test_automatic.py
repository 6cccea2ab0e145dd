"""What is chosen, from data, model and device; what the user says stands."""

from __future__ import annotations

import math

import pytest
import torch
from own_images import write_coco
from PIL import Image

from pylon_zoo.errors import ConfigError, DataError, UnknownNameError, WeightsError
from pylon_zoo.training import automatic, trial
from pylon_zoo.training.automatic import choose
from pylon_zoo.training.rules import (
    ALWAYS,
    COARSEST_STRIDE,
    DECODERS,
    batch_for,
    bias_for,
    epochs_for,
    rates_for,
    sides_for,
    smaller_side,
)
from pylon_zoo.training.train import open_split
from pylon_zoo.training.trial import Trial
from pylon_zoo.training.wording import ten_lines
from pylon_zoo.weights.encoders import build_on_encoder

MODEL = "pylon_test_resnet"
CPU = {"device": "cpu"}
POINTING_PYLON = {**DECODERS["pylon"], "coarsest_stride": COARSEST_STRIDE}


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> str:
    return f"coco:{write_coco(tmp_path_factory.mktemp('own') / 'data')}"


@pytest.fixture
def pretrained(monkeypatch):
    """The encoder's weights can be had: random ones stand for them."""

    def build(*args, encoder_pretrained=False, **options):
        return build_on_encoder(*args, **options)

    monkeypatch.setattr("pylon_zoo.training.train.build_on_encoder", build)


@pytest.mark.slow
def test_a_fresh_encoder_takes_grey_images_as_they_are(spec):
    choices = choose(spec, MODEL, **CPU)
    recipe = choices.recipe
    assert choices.encoder.startswith("fresh")
    assert recipe.model.options == {"encoder_pretrained": False, **POINTING_PYLON}
    assert recipe.data.options == {"channels": 1}
    assert recipe.optimizer.encoder_lr == recipe.optimizer.lr
    assert (recipe.data.size, recipe.data.augmentation) == (128, "upright")
    assert recipe.schedule.max_epochs == 60
    assert recipe.model.head_bias == -1.0


@pytest.mark.slow
def test_a_pretrained_encoder_keeps_its_channels_and_learns_slower(spec, pretrained):
    recipe = choose(spec, MODEL, **CPU).recipe
    assert recipe.model.options == {"encoder_pretrained": True, **POINTING_PYLON}
    assert recipe.data.options == {}
    assert recipe.optimizer.encoder_lr == pytest.approx(recipe.optimizer.lr * 2 / 5)


@pytest.mark.slow
def test_classes_that_no_image_has_are_left_out_and_named(tmp_path):
    """As of exporters that write a parent category with the id 0 and no annotation."""
    data = f"coco:{write_coco(tmp_path / 'data', classes=['parent', 'bright', 'dark', 'odd'], shown=[(1,), (2,), ()])}"
    choices = choose(data, MODEL, **CPU)
    assert choices.left_out == ("parent", "odd")
    assert choices.recipe.data.classes == choices.survey.classes == ("bright", "dark")
    assert "no image has 'parent', 'odd', so they are left out" in ten_lines(choices)[2]
    train_set = open_split(choices.recipe, "train")
    assert train_set.classes == ("bright", "dark")
    assert train_set[0].boxes[:, 0].tolist() == [0.0]
    assert train_set.targets().sum(0).tolist() == [8.0, 8.0]


@pytest.mark.slow
def test_classes_that_were_asked_for_are_not_left_out(tmp_path):
    data = f"coco:{write_coco(tmp_path / 'data', classes=['bright', 'dark', 'odd'])}"
    with pytest.raises(DataError, match="has 'odd', so it cannot be learnt"):
        choose(data, MODEL, settings=['data.classes=["bright", "odd"]'], **CPU)
    with pytest.raises(UnknownNameError, match=r"data\.classes: 'darc' .*Did you mean 'dark'"):
        choose(data, MODEL, settings=['data.classes=["bright", "darc"]'], **CPU)
    chosen = choose(data, MODEL, settings=['data.classes=["dark"]'], **CPU)
    assert (chosen.survey.classes, chosen.left_out) == (("dark",), ())


@pytest.mark.slow
def test_colour_stays_colour(tmp_path):
    data = write_coco(tmp_path / "data", mixed=True)
    Image.new("RGB", (48, 36), (200, 30, 30)).save(data / "train" / "1.png")
    choices = choose(f"coco:{data}", MODEL, **CPU)
    assert not choices.survey.grey
    assert choices.recipe.data.options == {}
    assert len(choices.survey.sizes) == 4
    assert ten_lines(choices)[1].endswith("colour; 3 channels into the model")


@pytest.mark.slow
def test_what_the_user_sets_stands_and_the_rest_goes_by_it(spec):
    settings = ["data.size=64", "loop.batch_size=8", "schedule.max_epochs=3", "model.head_bias=-4", "optimizer.lr=0.5"]
    recipe = choose(spec, MODEL, settings=settings, orientation="any", **CPU).recipe
    assert (recipe.data.size, recipe.loop.batch_size, recipe.schedule.max_epochs) == (64, 8, 3)
    assert (recipe.model.head_bias, recipe.optimizer.lr, recipe.data.augmentation) == (-4, 0.5, "any")
    assert recipe.optimizer.encoder_lr == rates_for("fresh", 16)["encoder_lr"]


@pytest.mark.slow
def test_weights_that_were_asked_for_are_not_replaced_by_fresh_ones(spec):
    with pytest.raises(WeightsError, match="cannot be had"):
        choose(spec, MODEL, settings=["model.options.encoder_pretrained=true"], **CPU)
    assert choose(spec, MODEL, settings=["model.options.encoder_pretrained=false"], **CPU).encoder == "fresh, as set"


@pytest.mark.slow
def test_a_section_for_every_run_is_a_line_of_the_table(spec, monkeypatch):
    monkeypatch.setitem(ALWAYS, "loop", {**ALWAYS["loop"], "ema": 0.9})
    assert choose(spec, MODEL, **CPU).recipe.loop.ema == 0.9


def test_minutes_decide_the_epochs_and_then_the_size(spec, monkeypatch):
    measured = {"cost": 0.1, "sizes": []}

    def fake(recipe, model, *splits, **options):
        measured["sizes"].append(recipe.data.size)
        return Trial(recipe.loop.batch_size, measured["cost"], measured["cost"] / 4)

    monkeypatch.setattr(automatic, "try_out", fake)
    monkeypatch.setattr(automatic, "sides_for", lambda side, kind: [192, 160, 128])
    long = choose(spec, MODEL, minutes=10, **CPU).recipe
    assert (long.data.size, long.schedule.max_epochs) == (192, 200)  # 2.6 s an epoch, and no more than 200 of them
    some = choose(spec, MODEL, minutes=0.3, **CPU).recipe
    assert (some.data.size, some.schedule.max_epochs) == (160, 6)
    assert measured["sizes"] == [192, 192, 160]
    measured["cost"] = 10
    short = choose(spec, MODEL, minutes=0.3, **CPU)
    assert (short.recipe.data.size, short.recipe.schedule.max_epochs) == (128, 1)
    assert "the least there is" in ten_lines(short)[-1]


def test_a_batch_that_does_not_fit_is_halved(spec, monkeypatch):
    tried = []

    def steps(recipe, model, train_set, val_set, batch_size, *rest):
        tried.append(batch_size)
        if batch_size > 1 + fits:
            raise torch.OutOfMemoryError("full")
        return Trial(batch_size, 0.1, 0.1)

    monkeypatch.setattr(trial, "_steps", steps)
    fits = 3
    recipe = choose(spec, MODEL, settings=["loop.batch_size=16"], **CPU).recipe
    assert tried == [16, 8, 4]
    assert recipe.loop.batch_size == 16  # what is set is set, and the run will say that it does not fit
    tried.clear()
    fits = 0
    with pytest.raises(ConfigError, match="Not even 2 images"):
        choose(spec, MODEL, **CPU)
    assert tried == [4, 2]


@pytest.mark.slow
def test_a_trial_leaves_model_and_data_as_they_are(spec):
    draft = automatic._Draft(spec, MODEL, ["data.size=64", "loop.batch_size=4"])
    model, splits = draft.model(), draft.splits()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = trial.try_out(draft.recipe(), model, *splits, device="cpu")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [dataset.transform for dataset in splits] == [None, None]
    assert found.batch_size == 4
    assert found.val_seconds > 0
    assert found.train_seconds < 5


@pytest.mark.slow
def test_an_unknown_orientation_says_so_and_a_known_one_why(spec):
    lines = ten_lines(choose(spec, MODEL, **CPU))
    assert len(lines) == 10
    assert "--orientation any if no side is up" in lines[6]
    assert "with boxes or masks" in lines[0]
    assert lines[1].endswith("40 × 40 px, grey; 1 channel into the model")


def test_the_head_starts_where_rare_classes_do():
    assert bias_for(torch.tensor([0.01])) == pytest.approx(math.log(0.01 / 0.99) - 1, abs=0.05)
    assert bias_for(torch.tensor([1.0])) == 0
    assert bias_for(torch.tensor([0.0])) == pytest.approx(math.log(0.001 / 0.999) - 1, abs=0.05)
    assert bias_for(torch.tensor([float("nan"), 0.5])) == -1.0


def test_sizes_suit_images_and_device():
    assert sides_for(1000, "gpu")[0] == 512
    assert sides_for(1000, "cpu") == [192, 160, 128]
    assert sides_for(150, "cpu") == [160, 128]
    assert all(side % 32 == 0 for side in sides_for(777, "gpu"))


def test_epochs_stay_within_reason():
    slow = Trial(16, train_seconds=100.0, val_seconds=0.0)
    assert epochs_for((1000, 10), slow, "cpu", True, minutes=1) == 1
    assert epochs_for((100_000, 10), slow, "cpu", True, None) == 5
    assert epochs_for((20, 10), slow, "cpu", True, None) == 60
    assert epochs_for((3000, 10), slow, "cpu", False, None) == 2 * epochs_for((3000, 10), slow, "cpu", True, None)
    assert smaller_side([192, 160, 128], slow, (1000, 10), minutes=1) == 128


@pytest.mark.slow
def test_heatmaps_are_made_to_agree_wherever_there_are_any(spec):
    for name in (MODEL, "fpn_test_resnet", "cam_test_resnet"):
        recipe = choose(spec, name, orientation="any", **CPU).recipe
        assert (recipe.consistency.views, recipe.consistency.orientation, recipe.loss.pooling) == (0.5, "any", "topk")
        assert 2 * recipe.loop.batch_size == batch_for(32, "cpu") or recipe.loop.batch_size == 4
    upright = choose(spec, MODEL, orientation="upright", **CPU).recipe
    assert (upright.consistency.orientation, upright.data.augmentation) == ("mixed", "upright")
    blind = choose(spec, MODEL, settings=["model.options.head_mlp_layers=2"], **CPU).recipe
    assert (blind.consistency.views, blind.loss.pooling) == (0, "")


@pytest.mark.slow
def test_what_is_said_of_views(spec):
    assert "two views of each, whose heatmaps must agree" in "".join(ten_lines(choose(spec, MODEL, **CPU)))
    alone = ten_lines(choose(spec, MODEL, settings=["consistency.views=0"], **CPU))
    assert "views" not in "".join(alone)


@pytest.mark.slow
def test_an_encoder_of_large_patches_is_not_cut(spec):
    options = choose(spec, "pylon_vit_tiny_patch16_224", settings=["model.options.encoder_pretrained=false"], **CPU)
    assert options.recipe.model.options["coarsest_stride"] == COARSEST_STRIDE
    options = choose(spec, "pylon_vit_small_patch32_224", settings=["model.options.encoder_pretrained=false"], **CPU)
    assert "coarsest_stride" not in options.recipe.model.options
