"""On a GPU the library says what it says on a CPU; without one every test here is skipped, by name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import pylon_zoo as pz
from pylon_zoo.attribution import create_attribution
from pylon_zoo.cli.main import main
from pylon_zoo.data.augmentations import AUGMENTATIONS
from pylon_zoo.data.canvas import CanvasTransform
from pylon_zoo.data.phantom import PhantomCxr
from pylon_zoo.data.sample import collate
from pylon_zoo.evaluation import evaluate
from pylon_zoo.experiments.grid import grid_from_table
from pylon_zoo.experiments.jobs import fill_at_once
from pylon_zoo.experiments.reproduce import Laboratory
from pylon_zoo.experiments.results import read_rows
from pylon_zoo.models.build import build_model
from pylon_zoo.models.methods import METHODS
from pylon_zoo.training.loss import DivergedError
from pylon_zoo.training.phase import Network
from pylon_zoo.training.recipe_files import load_recipe
from pylon_zoo.training.train import train
from pylon_zoo.weights.checkpoint import load_checkpoint

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

BUNDLED = "pylon_resnet18.phantom_cxr"
SMALL = ["data.size=64", "data.train.count=64", "data.val.count=16", "schedule.max_epochs=2", "transfer.required=false"]


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """Convolutions in float32 rather than TF32, so that differences are rounding."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.manual_seed(0)


def difference(actual: Any, expected: Any) -> float:
    """The largest one, in units of the largest absolute value."""
    return max(
        float((a.cpu().float() - b.cpu().float()).abs().max() / b.abs().max().cpu())
        for a, b in zip(actual, expected, strict=True)
    )


@pytest.mark.parametrize(("dtype", "bound"), [(None, 1e-5), (torch.bfloat16, 0.01)])
def test_latency_mode_gives_the_eager_models_heatmaps(dtype: torch.dtype | None, bound: float):
    model = build_model("pylon_resnet18", 3).cuda().eval()
    eager, graphs = (pz.optimize(model, dtype=dtype, mode=mode) for mode in ("throughput", "latency"))
    for shape in ((1, 3, 64, 64), (2, 3, 75, 101), (1, 3, 64, 64)):
        x = torch.randn(shape, device="cuda")
        with torch.inference_mode():
            assert difference(graphs.forward_with_heatmap(x), eager.forward_with_heatmap(x)) < bound
        heatmap = graphs.forward_heatmap(x)
        kept = heatmap.clone()
        graphs.forward_heatmap(-x)
        assert torch.equal(heatmap, kept)


def test_latency_mode_is_safe_with_threads_and_streams():
    model = build_model("pylon_resnet18", 3).cuda().eval()
    eager, graphs = pz.optimize(model), pz.optimize(model, mode="latency")
    images = [torch.randn(1, 3, 64, 64, device="cuda") for _ in range(32)]
    with torch.no_grad():
        expected = [eager.forward_heatmap(x) for x in images]
    torch.cuda.synchronize()

    def on_its_own_stream(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad(), torch.cuda.stream(torch.cuda.Stream()):
            found = graphs.forward_heatmap(x)
            torch.cuda.current_stream().synchronize()
        return found

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(on_its_own_stream, images))
    assert difference(found, expected) < 1e-5


def test_latency_mode_follows_the_weights():
    model = build_model("pylon_resnet18", 3).cuda().eval()
    fast, x = pz.optimize(model, mode="latency"), torch.randn(1, 3, 64, 64, device="cuda")
    with torch.no_grad():
        before = fast.forward_heatmap(x)
        assert difference([fast.cpu().cuda().forward_heatmap(x)], [before]) < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_cpus_heatmaps(method: str):
    model, x = build_model(f"{method}_resnet18", 3).eval(), torch.randn(2, 3, 75, 101)
    with torch.inference_mode():
        expected = model.forward_with_heatmap(x)
        actual = model.cuda().forward_with_heatmap(x.cuda())
    assert all(one.is_cuda for one in actual)
    assert difference(actual, expected) < 1e-4


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({}, 1e-4),
        ({"dtype": torch.float16}, 0.01),
        ({"dtype": torch.bfloat16}, 0.05),
        pytest.param({"compile": True}, 1e-4, marks=pytest.mark.slow),
    ],
)
def test_an_optimized_model_is_the_model(options: dict[str, Any], tolerance: float):
    model, x = pz.create_model(BUNDLED).eval(), torch.randn(2, 1, 96, 128)
    with torch.inference_mode():
        expected = model.forward_with_heatmap(x)
        actual = pz.optimize(model.cuda(), **options).forward_with_heatmap(x.cuda())
    assert difference(actual, expected) < tolerance


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam++", "xgrad_cam", "hires_cam", "layer_cam"])
def test_attribution_gives_the_cpus_maps(method: str):
    model = build_model("cam_resnet18", 3).eval().double()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    expected = create_attribution(method, model)(x)
    assert difference([create_attribution(method, model.cuda())(x.cuda())], [expected]) < 1e-4


def test_evaluation_gives_the_cpus_figures():
    model, data = pz.create_model(BUNDLED).eval(), PhantomCxr("test", size=192, count=40)
    on_gpu, on_cpu = (evaluate(model, data, controls=False, device=device) for device in ("cuda", "cpu"))
    assert on_gpu.auroc.macro == pytest.approx(on_cpu.auroc.macro, abs=1e-6)
    assert on_gpu.point_accuracy.macro == pytest.approx(on_cpu.point_accuracy.macro, abs=0.02)


@pytest.mark.parametrize(
    "settings",
    [
        ["loop.precision=no"],
        ["loop.precision=bf16"],
        ["loop.precision=fp16", "loop.clip_grad_norm=1.0"],
        ["loop.accumulate=2", "loop.ema=0.9"],
        ["loop.checkpointing=true", "loop.channels_last=false"],
        ["data.augment_on=device", "data.augmentation=any", "consistency.views=0.5"],
        pytest.param(["loop.compile=true"], marks=pytest.mark.slow),
        pytest.param(["loop.compile=true", "loop.precision=no"], marks=pytest.mark.slow),
        pytest.param(["loop.compile=true", "loop.channels_last=false", "loop.ema=0.9"], marks=pytest.mark.slow),
        pytest.param(["loop.compile=true", "loop.precision=fp16", "consistency.views=0.5"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_a_run_learns_and_its_checkpoint_loads_on_a_cpu(tmp_path: Path, settings: list[str]):
    seen = []
    recipe = load_recipe("phantom_pylon", [*SMALL, *settings])
    summary = train(recipe, tmp_path / "run", device="cuda", report=seen.append)
    assert summary["device"].startswith("cuda")
    assert seen[1].loss < seen[0].loss
    with torch.inference_mode():
        assert load_checkpoint(tmp_path / "run").eval()(torch.randn(1, 1, 64, 64)).isfinite().all()


STAGES = {
    "eager": "Dynamo's graph, computed as it is",
    "aot_eager": "with its gradient's graph",
    "inductor": "in kernels of Inductor's and Triton's",
}
"""Each does what the one before does and a step more, so the first that fails says where `loop.compile` breaks."""


@pytest.mark.slow
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels-last"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("part", ["encoder", "pass"])
@pytest.mark.parametrize("stage", STAGES)
def test_compiling_stage_by_stage(
    stage: str, part: str, precision: torch.dtype, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
):
    """The encoder alone, and all of the training pass: one graph, with the output and the gradient of plain PyTorch."""
    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=stage, fullgraph=True))
    model = build_model("pylon_resnet10t", 8, 1, alignment="paper", decoder_channels=32).cuda().to(memory_format=layout)
    images = torch.randn(16, 1, 64, 64, device="cuda").contiguous(memory_format=layout)
    found = []
    for compiled in (False, True):
        model.zero_grad()
        network = Network(model, compiled=compiled)
        if part == "encoder":
            network = torch.compile(model.encoder) if compiled else model.encoder
        with torch.autocast("cuda", precision, enabled=precision != torch.float32):
            given = network(images)
        outputs = [given] if part == "pass" else given
        sum(one.float().square().mean() for one in outputs).backward()
        gradient = torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None])
        found.append([*(one.detach().float() for one in outputs), gradient])
    tolerance = {torch.float32: 1e-3, torch.bfloat16: 0.5}[precision]  # a CPU's bfloat16 gradients differ by 0.25
    for plain, other in zip(*found, strict=True):
        assert (other - plain).norm() <= tolerance * plain.norm(), STAGES[stage]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels-last"])
@pytest.mark.parametrize("augmentation", [name for name, one in AUGMENTATIONS.items() if one.canvas])
def test_a_batch_is_augmented_as_on_a_cpu(augmentation: str, layout: torch.memory_format):
    transform = CanvasTransform((96, 80), (0.5,), (0.25,), augmentation=augmentation)
    batch = collate(list(PhantomCxr("train", size=96, count=8, transform=transform)))
    assert batch.images.dtype == torch.uint8
    found = batch.pin_memory().model_input("cuda", layout)
    assert found.is_contiguous(memory_format=layout)
    assert difference([found], [batch.model_input("cpu")]) < 1e-4


def test_a_run_that_was_cut_short_goes_on(tmp_path: Path):
    def stop(epoch: Any) -> None:
        raise KeyboardInterrupt

    recipe = load_recipe("phantom_pylon", [*SMALL, "loop.precision=fp16"])
    whole = train(recipe, tmp_path / "whole", device="cuda")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "cut", device="cuda", report=stop)
    resumed = train(recipe, tmp_path / "cut", device="cuda", resume=True)
    assert resumed["val_loss"] == pytest.approx(whole["val_loss"], rel=0.05), "a GPU's sums vary in their order"


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path):
    recipe = load_recipe("phantom_pylon", [*SMALL, "optimizer.lr=1e30", "loop.precision=no"])
    with pytest.raises(DivergedError, match="phantom_cxr/train/"):
        train(recipe, tmp_path / "run", device="cuda")


def test_several_runs_share_a_gpu(tmp_path: Path):
    rows = [{"name": "PYLON", "recipe": "phantom_pylon", "settings": SMALL}]
    grid = grid_from_table("tiny", {"title": "Tiny", "data": "phantom", "rows": rows})
    laboratory = Laboratory(grid, tmp_path / "runs", tmp_path / "tiny.csv", device="cuda")
    assert fill_at_once(laboratory, grid.rows, [0, 1], jobs=2) == []
    assert sorted((line["seed"], line["device"]) for line in read_rows(laboratory.results)) == [
        ("0", "cuda"),
        ("1", "cuda"),
    ]


def test_explain_takes_a_gpu(tmp_path: Path):
    image = tmp_path / "image.png"
    Image.fromarray(PhantomCxr("test", size=192, count=1).load(0).image[0].numpy()).save(image)
    assert main(["explain", str(image), "--model", BUNDLED, "--out", str(tmp_path / "out"), "--device", "cuda"]) == 0
    assert (tmp_path / "out" / "report.html").exists()
    model = pz.create_model(BUNDLED).eval()
    on_cpu, on_gpu = pz.explain(model, image).heatmaps, pz.explain(model.cuda(), image).heatmaps
    assert difference([torch.as_tensor(on_gpu)], [torch.as_tensor(on_cpu)]) < 1e-4
