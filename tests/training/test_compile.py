"""`loop.compile`: one graph, names and numbers of a run that is not compiled, and nothing of the exporters'."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pylon_zoo.models.build import build_model
from pylon_zoo.models.layers import crop_padding, exporting, halve, resize_like, same_size, without_autocast
from pylon_zoo.training.engine import make_accelerator
from pylon_zoo.training.loop import fit
from pylon_zoo.training.phase import Network
from pylon_zoo.training.state import TrainingState


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[torch.fx.GraphModule]:
    """`torch.compile` traces forward and backward and computes them as they are; the graphs it found."""
    graphs: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Any:
        graphs.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=keep))
    return graphs


def names(graphs: list[torch.fx.GraphModule]) -> str:
    """What is called in graphs."""
    return " ".join(str(node.target) for graph in graphs for node in graph.graph.nodes)


@pytest.mark.parametrize("compiling", [False, True])
def test_compiling_is_no_exporting_whatever_torch_says(compiling: bool, monkeypatch: pytest.MonkeyPatch):
    """PyTorch 2.11 tells compiled code that it is being exported."""
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    monkeypatch.setattr(torch.compiler, "is_dynamo_compiling", lambda: compiling)
    assert exporting() is not compiling
    assert same_size((5, 5), (5, 5)) is compiling


@pytest.mark.slow
def test_what_stands_in_for_exports_stays_out(traced: list[torch.fx.GraphModule]):
    def decode(maps: Tensor) -> Tensor:
        return crop_padding(resize_like(halve(maps), maps), (5, 5), (5, 5))

    maps = torch.randn(2, 3, 5, 5).to(memory_format=torch.channels_last).requires_grad_()
    torch.testing.assert_close(torch.compile(decode, dynamic=False)(maps), decode(maps))
    assert "interpolate" in names(traced)
    assert "pad" not in names(traced)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("output", "alignment", "precision"),
    [
        ("logits", "paper", "no"),
        ("logits", "paper", "bf16"),
        ("heatmap", "exact", "no"),
        ("levels", "exact", "bf16"),
    ],
)
def test_a_pass_is_one_graph_and_gives_the_same_gradients(
    output: str, alignment: str, precision: str, traced: list[torch.fx.GraphModule], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, fullgraph=True))
    torch.manual_seed(0)
    model = build_model("pylon_test_resnet", 2, 1, alignment=alignment, decoder_channels=8)
    model.to(memory_format=torch.channels_last)
    images = torch.randn(4, 1, 64, 64).contiguous(memory_format=torch.channels_last)
    found = []
    for compiled in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            given = Network(model, output, compiled)(images)
        given.float().square().mean().backward()
        found.append([given.detach().float(), torch.cat([one.grad.flatten() for one in model.parameters()])])
    assert len(traced) == 1
    tolerance = {"no": 1e-4, "bf16": 0.1}[precision]
    for eager, other in zip(*found, strict=True):
        assert (other - eager).norm() <= tolerance * eager.norm()


def test_leaving_autocast_is_no_break_whatever_the_device(traced: list[torch.fx.GraphModule]):
    def product(maps: Tensor) -> Tensor:
        with without_autocast(maps.device.type):
            return maps @ maps

    for device in ("cpu", "meta"):
        assert torch.compile(product, fullgraph=True)(torch.ones(2, 2, device=device)).dtype == torch.float32
    assert len(traced) == 2


@pytest.mark.slow
def test_a_compiled_run_is_kept_and_gone_on_with_under_the_models_own_names(
    traced: list[torch.fx.GraphModule], spots, make_recipe
):
    """Averaged and channels-last, and cut after the first epoch, it goes on in a model that is not compiled."""
    loop = {"compile": True, "ema": 0.9, "channels_last": True}
    schedule = {"schedule": {"max_epochs": 2}}

    def make() -> nn.Module:
        torch.manual_seed(0)
        return build_model("pylon_test_resnet", 2, 1)

    saved: list[dict[str, Any]] = []
    model, data = make(), (spots(), spots("val"))
    recipe = make_recipe(**schedule, loop=loop)
    keep = {"save": lambda parts: saved.append(copy.deepcopy(parts))}  # they are the run's own tensors
    whole = list(fit(model, *data, recipe, make_accelerator("cpu", "no"), **keep))
    assert traced
    plain = set(make().state_dict())
    parts = saved[0]["parts"]
    assert set(parts["model"]) == set(parts["average"]["average"]) == set(saved[-1]["best"]["weights"]) == plain
    for compiled, tolerance in ((True, 1e-5), (False, 0.05)):  # Adam turns rounding into steps
        state = TrainingState.from_dict(copy.deepcopy(saved[0]))
        recipe = make_recipe(**schedule, loop=loop | {"compile": compiled})
        (last,) = fit(make(), *data, recipe, make_accelerator("cpu", "no"), state=state)
        assert last.validation.loss == pytest.approx(whole[-1].validation.loss, rel=tolerance)
