"""The terms of the loss: what they ask of a model, and that they do not depend on how a step is shared out."""

from __future__ import annotations

import pytest
import torch

from pylon_zoo.data.sample import collate
from pylon_zoo.errors import ConfigError
from pylon_zoo.models.build import build_model
from pylon_zoo.training.consistency import disagreement, make_views
from pylon_zoo.training.loss import masked_bce
from pylon_zoo.training.objective import Objective, Part, annealed
from pylon_zoo.training.phase import Network
from pylon_zoo.training.recipe import LossSection

EVERYTHING = {
    "loss": {"pooling": "topk", "levels": 0.5, "fine_first": 0.5},
    "consistency": {"views": 0.5, "swap": 0.3, "tiles": 0.2, "ramp": 0.0, "orientation": "any"},
}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model("pylon_test_convnext", 2, 1, norm="group")  # whose images do not see each other


@pytest.fixture(scope="module")
def batch(spots):
    data = spots(count=8, side=64)
    return collate([data[number] for number in range(8)])


def value(recipe, model, batches, places, progress=1.0):
    """The loss of a step of so many parts."""
    objective = Objective(recipe, model)
    network = Network(model, objective.output)
    counts = objective.counts(batches)
    parts = [Part(batch, (0, 3, mine), progress) for batch, mine in zip(batches, places, strict=True)]
    return (sum(objective.sums(network, part) for part in parts) / counts).sum()


def part_of(batch, first, last):
    return type(batch)(
        batch.images[first:last],
        batch.targets[first:last].clone(),
        batch.boxes[first:last],
        batch.patients[first:last],
        batch.paths[first:last],
    )


def test_without_settings_it_is_the_papers_loss(make_recipe, model, batch):
    loss = value(make_recipe(), model, [batch], [range(8)])
    assert loss.item() == pytest.approx(masked_bce(model(batch.images), batch.targets).item(), rel=1e-6)


def test_terms_add_up(make_recipe, model, batch):
    """Labels of both views, and the places of present classes, computed here from the pieces."""
    recipe = make_recipe(consistency={"views": 0.5, "ramp": 0.0, "orientation": "any"})
    objective, part = Objective(recipe, model), Part(batch, (0, 3, range(8)), 1.0)
    views = objective._views(part, (64, 64))
    copies = [make_views(batch.images, mine) for mine in views]
    maps = model.forward_heatmap(torch.cat(copies)).chunk(2)
    labels = sum(masked_bce(one.amax((2, 3)), batch.targets) for one in maps) / 2
    apart = disagreement(*maps, tuple(views), model.cell_grid(64), (64, 64))
    expected = labels + 0.5 * apart[batch.targets == 1].mean()
    assert value(recipe, model, [batch], [range(8)]).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("consistency", [{"views": 0.5}, {"tiles": 0.3}], ids=["views", "tiles"])
def test_a_step_may_be_shared_out(make_recipe, model, batch, consistency):
    recipe = make_recipe(consistency={**consistency, "orientation": "any"}, loss={"pooling": "lse", "end": 10.0})
    whole = value(recipe, model, [batch], [range(40, 48)])
    shared = value(recipe, model, [part_of(batch, 0, 4), part_of(batch, 4, 8)], [range(40, 44), range(44, 48)])
    assert shared.item() == pytest.approx(whole.item(), rel=1e-5)
    elsewhere = value(recipe, model, [batch], [range(8)])
    assert ("tiles" in consistency) == (elsewhere.item() == pytest.approx(whole.item(), rel=1e-6))


def test_every_term_reaches_the_encoder(make_recipe, model, batch):
    plain = value(make_recipe(), model, [batch], [range(8)])
    everything = value(make_recipe(**EVERYTHING), model, [batch], [range(8)])
    assert everything > plain
    everything.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    model.zero_grad()


def test_terms_rise_from_nothing(make_recipe, model, batch):
    settings = {"views": 0.5, "swap": 0.5, "tiles": 0.5}
    ramped = make_recipe(consistency={**settings, "ramp": 0.5})
    at = [value(ramped, model, [batch], [range(8)], progress).item() for progress in (0.0, 0.25, 0.5, 1.0)]
    assert at[1] - at[0] == pytest.approx(at[2] - at[1], rel=1e-4)
    assert at[3] == pytest.approx(at[2], rel=1e-6)


def test_unknown_labels_say_nothing(make_recipe, model, batch):
    unknown = part_of(batch, 0, 8)
    unknown.targets[:, 1] = torch.nan
    loss = value(make_recipe(**EVERYTHING), model, [unknown], [range(8)])
    assert loss.isfinite()


def test_an_image_by_itself_has_nothing_to_swap(make_recipe, model, batch):
    alone = part_of(batch, 0, 1)
    swapped = value(make_recipe(consistency={"swap": 0.5, "ramp": 0.0}), model, [alone], [range(1)])
    assert swapped.item() == pytest.approx(value(make_recipe(), model, [alone], [range(1)]).item(), rel=1e-6)


def test_pooling_goes_from_average_to_maximum():
    section = LossSection(pooling="topk", start=0.1, end=0.001, until=0.5)
    shares = [annealed(section, progress).k for progress in (0, 0.25, 0.5, 1)]
    assert shares == pytest.approx([0.1, 0.01, 0.001, 0.001])
    assert annealed(LossSection(pooling="lse", start=1.0, end=10.0), 1).r == pytest.approx(10)
    assert annealed(LossSection(), 0.5) is None


def test_what_a_step_costs(make_recipe, model):
    assert Objective(make_recipe(), model).forwarded == 1
    assert Objective(make_recipe(**EVERYTHING), model).forwarded == 4


def test_models_without_a_heatmap_are_refused(make_recipe):
    blind = build_model("pylon_test_resnet", 2, 1, head_mlp_layers=2)
    with pytest.raises(ConfigError, match=r"ask for heatmaps, which pylon_test_resnet has not\. Leave them out"):
        Objective(make_recipe(consistency={"views": 0.5}), blind)


@pytest.mark.parametrize("setting", ["levels", "fine_first"])
def test_levels_are_pylons(make_recipe, setting):
    with pytest.raises(ConfigError, match=rf"loss\.{setting} is for pylon models: .* Set it to 0"):
        Objective(make_recipe(loss={setting: 0.5}), build_model("cam_test_resnet", 2, 1))


@pytest.mark.parametrize(("progress", "heard"), [(0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (0.9, 1.0)])
def test_the_coarsest_level_comes_in(make_recipe, model, batch, progress, heard):
    """Its part of the map, the bias aside, has so much say."""
    coarsest, *finer = model.forward_levels(batch.images)
    bias = model.head.bias.view(1, -1, 1, 1)
    maps = bias + heard * (coarsest - bias) + sum(finer)
    expected = masked_bce(maps.amax((2, 3)), batch.targets)
    loss = value(make_recipe(loss={"fine_first": 0.4}), model, [batch], [range(8)], progress)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_what_has_no_say_learns_nothing(make_recipe, model, batch):
    model.zero_grad()
    value(make_recipe(loss={"fine_first": 0.5}), model, [batch], [range(8)], progress=0.0).backward()
    moved = {name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()}
    model.zero_grad()
    assert not any(name.startswith("decoder.attention") for name in moved)
    assert "head.bias" in moved
    assert any(name.startswith("decoder.upsampling.0") for name in moved)


def test_quarters_need_a_size_that_halves(make_recipe, model, batch):
    odd = part_of(batch, 0, 8)
    odd = type(odd)(odd.images[..., :49, :49], odd.targets, odd.boxes, odd.patients, odd.paths)
    with pytest.raises(ConfigError, match=r"consistency\.tiles: the quarters of images of 49×49 .* twice a multiple"):
        value(make_recipe(consistency={"tiles": 0.5}), model, [odd], [range(8)])
