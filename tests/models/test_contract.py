"""What every method keeps on every kind of backbone. A new method is one row in METHOD_OPTIONS."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from timm.optim import create_optimizer_v2, param_groups_layer_decay
from torch import Tensor, nn

from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.models.backbone import timm_module
from pylon_zoo.models.build import METHODS, build_model
from pylon_zoo.models.contract import HeatmapClassifier

CLASSES = 3

# Method → options that make it small.
METHOD_OPTIONS: dict[str, dict[str, Any]] = {
    "cam": {},
    "deeplabv3plus": {"decoder_channels": 8},
    "fpn": {"pyramid_channels": 8, "decoder_channels": 32},
    "li2018": {"decoder_channels": 8},
    "pan": {"decoder_channels": 8},
    "pylon": {"decoder_channels": 8},
    "unet": {"decoder_channels": (8, 8, 8, 8, 8)},
}


@dataclass(frozen=True)
class Kind:
    """A kind of backbone.

    Attributes:
        name: a small member, made smaller by `kwargs`.
        stem: its first parameter.
        recomputed: a module that gradient checkpointing runs twice; empty where timm has no checkpointing.
        unused: parameters that none of its maps depends on.
        exempts: whether it exempts parameters from weight decay.
    """

    name: str
    stem: str
    recomputed: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    exempts: bool = False


KINDS = {
    "batch-norm": Kind("test_resnet", "model.conv1.0.weight", "model.layer3.0.conv1"),
    "channels-last": Kind("test_mambaout", "model.stem.conv1.weight", "model.stages_1.downsample.conv"),
    "one-stride": Kind(
        "test_vit", "model.model.patch_embed.proj.weight", "model.model.blocks.0.attn.qkv", exempts=True
    ),
    "fixed-size": Kind("test_vit_relpos", "model.model.patch_embed.proj.weight", "model.model.blocks.0.attn.qkv"),
    "hooked": Kind(
        "pit_ti_224",
        "model.body.patch_embed.conv.weight",
        kwargs={"base_dims": (8, 8, 8), "depth": (1, 1, 1)},
        unused=("encoder.model.body.norm.weight", "encoder.model.body.norm.bias"),
        exempts=True,
    ),
}

# Method → size of its heatmap, where it is not the finest level of the encoder's.
HEATMAP_SIZES: dict[str, Callable[[int, int], tuple[int, int]]] = {
    "deeplabv3plus": lambda height, width: (-(-height // 4), -(-width // 4)),
    "li2018": lambda height, width: (20, 20),
    "unet": lambda height, width: (height, width),
}
# Method → its pooling, where that is not the maximum.
POOLED: dict[str, Callable[[Tensor], Tensor]] = {
    "li2018": lambda maps: torch.logit(1 - (1 - 0.02 * maps.double().sigmoid()).flatten(2).prod(dim=2)).float(),
}

Build = Callable[..., HeatmapClassifier]


def can_carry(kind: str, method: str) -> bool:
    return not METHODS[method].lacks(timm_module(KINDS[kind].name), KINDS[kind].name)


def pooled(model: HeatmapClassifier, maps: Tensor) -> Tensor:
    """What the method's own pooling makes of maps, computed another way."""
    method = model.architecture.partition("_")[0]
    return POOLED.get(method, lambda maps: maps.amax(dim=(2, 3)))(maps)


@pytest.fixture(params=[f"{method}_{kind}" for method in METHOD_OPTIONS for kind in KINDS if can_carry(kind, method)])
def case(request: pytest.FixtureRequest) -> tuple[str, Kind]:
    method, _, kind = request.param.partition("_")
    return method, KINDS[kind]


@pytest.fixture
def build(case: tuple[str, Kind]) -> Build:
    method, kind = case

    def build(**options: Any) -> HeatmapClassifier:
        torch.manual_seed(1)
        options = {"num_classes": CLASSES, "encoder_kwargs": kind.kwargs, **METHOD_OPTIONS[method], **options}
        return build_model(f"{method}_{kind.name}", **options)

    return build


def images(n: int = 2, height: int = 64, width: int = 96, chans: int = 3) -> Tensor:
    return torch.randn(n, chans, height, width, generator=torch.Generator().manual_seed(2))


def test_every_method_is_covered():
    assert set(METHOD_OPTIONS) == set(METHODS)


@pytest.mark.parametrize(
    ("method", "kind"),
    [(method, kind) for method in METHODS for kind in KINDS if not can_carry(kind, method)],
)
def test_a_backbone_that_cannot_carry_a_method_is_refused_with_the_reason(method: str, kind: str):
    name = KINDS[kind].name
    with pytest.raises(ConfigError, match=f"{method} cannot be built on {name}: .*(stride|one size).*pylon.* run on"):
        build_model(f"{method}_{name}", CLASSES)


# -- images to heatmaps to logits -------------------------------------------------------------------------------------


def test_shapes(build: Build, case: tuple[str, Kind]):
    model = build().eval()
    x = images()
    with torch.no_grad():
        logits, heatmap = model.forward_with_heatmap(x)
        features = model.forward_features(x)
    stride = model.encoder.strides[-1]
    size_of = HEATMAP_SIZES.get(case[0], lambda height, width: (-(-height // stride), -(-width // stride)))
    assert logits.shape == (2, CLASSES)
    assert heatmap.shape == (2, CLASSES, *size_of(64, 96))
    assert features.shape == (2, model.num_features, *heatmap.shape[2:])
    assert logits.dtype == heatmap.dtype == torch.float32


def test_forward_is_the_pooled_heatmap(build: Build):
    model = build().eval()
    x = images()
    with torch.no_grad():
        heatmap = model.forward_heatmap(x)
        torch.testing.assert_close(model(x), pooled(model, heatmap))
        both = model.forward_with_heatmap(x)
        torch.testing.assert_close(both, (model(x), heatmap), rtol=0, atol=0)
        torch.testing.assert_close(model.forward_head(model.forward_features(x)), model(x), rtol=0, atol=0)


def test_average_pooling_is_the_heatmaps_mean(build: Build):
    model = build(pooling="avg").eval()
    x = images()
    with torch.no_grad():
        torch.testing.assert_close(model(x), model.forward_heatmap(x).mean(dim=(2, 3)))


def test_eval_is_deterministic_and_per_image(build: Build):
    model = build().eval()
    x = images(3)
    with torch.no_grad():
        together = model.forward_heatmap(x)
        torch.testing.assert_close(model.forward_heatmap(x), together, rtol=0, atol=0)
        alone = torch.cat([model.forward_heatmap(x[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(32, 32), (33, 50), (97, 64)])
@pytest.mark.parametrize("training", [True, False])
def test_small_and_odd_sizes_are_finite(build: Build, size: tuple[int, int], training: bool):
    model = build().train(training)
    logits, heatmap = model.forward_with_heatmap(images(2, *size))
    assert heatmap.isfinite().all()
    assert logits.shape == (2, CLASSES)
    assert logits.isfinite().all()


@pytest.mark.parametrize("chans", [1, 5])
def test_in_chans(build: Build, chans: int):
    model = build(in_chans=chans).eval()
    assert model.in_chans == chans
    assert model.pretrained_cfg["input_size"][0] == len(model.pretrained_cfg["mean"]) == chans
    with torch.no_grad():
        assert model(images(1, chans=chans)).isfinite().all()


def test_probabilities(build: Build):
    logits = torch.tensor([[0.0, 1.0, -1.0]])
    assert build().probabilities(logits)[0].tolist() == pytest.approx([0.5, 0.731059, 0.268941], abs=1e-6)
    softmax = build(activation="softmax").probabilities(logits)
    assert softmax[0].tolist() == pytest.approx([0.244728, 0.665241, 0.090031], abs=1e-6)
    assert build().probabilities(logits.bfloat16()).dtype == torch.float32


# -- precision --------------------------------------------------------------------------------------------------------


def pooled_dtypes(model: HeatmapClassifier) -> list[torch.dtype]:
    seen: list[torch.dtype] = []
    model.pooling.register_forward_pre_hook(lambda module, args: seen.append(args[0].dtype))
    return seen


def test_float32_under_autocast(build: Build):
    model = build().eval()
    seen = pooled_dtypes(model)
    reference = model(images())
    with torch.autocast("cpu", torch.bfloat16):
        logits, heatmap = model.forward_with_heatmap(images())
        before_head = model.forward_head(model.forward_features(images()), pre_logits=True)
    assert logits.dtype == heatmap.dtype == before_head.dtype == torch.float32
    assert set(seen) == {torch.float32}
    torch.testing.assert_close(logits, reference, rtol=0.1, atol=0.1)


def test_float32_in_a_bfloat16_model(build: Build):
    model = build().eval().bfloat16()
    seen = pooled_dtypes(model)
    logits, heatmap = model.forward_with_heatmap(images().bfloat16())
    assert logits.dtype == heatmap.dtype == model(images().bfloat16()).dtype == torch.float32
    assert set(seen) == {torch.float32}
    model.reset_classifier(2)
    assert model(images().bfloat16()).shape == (2, 2)


# -- gradients --------------------------------------------------------------------------------------------------------


def test_every_used_parameter_gets_a_finite_gradient(build: Build, case: tuple[str, Kind]):
    model = build().train()
    model(images()).square().sum().backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    assert {name for name, grad in grads.items() if grad is None} == set(case[1].unused)
    assert all(grad.isfinite().all() for grad in grads.values() if grad is not None)
    assert grads["head.weight"].abs().sum() > 0
    assert grads[f"encoder.{case[1].stem}"].abs().sum() > 0


def test_grad_checkpointing_changes_nothing(build: Build, case: tuple[str, Kind]):
    plain, frugal = build().train().double(), build().train().double()
    if not case[1].recomputed:
        with pytest.raises(ConfigError, match=f"no gradient checkpointing for '{case[1].name}'"):
            frugal.set_grad_checkpointing()
        return
    calls: list[nn.Module] = []
    frugal.encoder.get_submodule(case[1].recomputed).register_forward_hook(lambda module, *_: calls.append(module))
    frugal.set_grad_checkpointing()
    outputs = []
    for model in (plain, frugal):
        torch.manual_seed(3)  # timm's MLP position bias drops out
        outputs.append(model(images().double()))
    torch.testing.assert_close(outputs[1], outputs[0])
    for output in outputs:
        output.square().sum().backward()
    assert len(calls) == 2
    for (name, a), (_, b) in zip(plain.named_parameters(), frugal.named_parameters(), strict=True):
        torch.testing.assert_close(b.grad, a.grad, rtol=1e-4, atol=1e-6, msg=name)
    frugal.set_grad_checkpointing(False)
    frugal(images().double()).sum().backward()
    assert len(calls) == 3


# -- timm's classifier interface --------------------------------------------------------------------------------------


def test_classifier_words(build: Build, case: tuple[str, Kind]):
    method, kind = case
    model = build()
    assert model.get_classifier() is model.head
    assert model.architecture == f"{method}_{kind.name}"
    assert model.default_cfg is model.pretrained_cfg
    assert model.pretrained_cfg["num_classes"] == model.num_classes == CLASSES
    assert model.pretrained_cfg["architecture"] == model.architecture
    assert dict(model.named_modules())[model.pretrained_cfg["classifier"]] is model.head


def test_num_features_is_the_width_before_the_head(build: Build):
    model = build().eval()
    with torch.no_grad():
        features = model.forward_features(images())
        before_head = model.forward_head(features, pre_logits=True)
    assert model.num_features == model.head_hidden_size == features.shape[1] == before_head.shape[1]
    torch.testing.assert_close(before_head, pooled(model, features))


def test_reset_classifier(build: Build):
    model = build(label_names=["a", "b", "c"], pooling="avg").eval()
    before = model.head.weight.clone()
    model.reset_classifier(CLASSES)
    assert model.label_names == ("a", "b", "c")
    assert not torch.equal(model.head.weight, before)
    model.reset_classifier(5)
    assert model.num_classes == model.pretrained_cfg["num_classes"] == 5
    assert model.label_names == tuple(f"class_{i}" for i in range(5))
    assert not any(module.training for module in model.modules())
    x = images()
    with torch.no_grad():
        torch.testing.assert_close(model(x), model.forward_heatmap(x).mean(dim=(2, 3)))  # the pooling stayed
        model.reset_classifier(4, global_pool="max")
        torch.testing.assert_close(model(x), model.forward_heatmap(x).amax(dim=(2, 3)))
    assert model.model_args["pooling"] == "max"
    with pytest.raises(UnknownNameError, match=r"pooling 'maxx'.*'max'"):
        model.reset_classifier(4, global_pool="maxx")


def test_reset_classifier_to_no_classes(build: Build):
    model = build().eval()
    model.reset_classifier(0)
    x = images()
    with torch.no_grad():
        before_head = model(x)
        torch.testing.assert_close(before_head, pooled(model, model.forward_features(x)))
    assert before_head.shape == (2, model.num_features)
    assert model.label_names == ()
    with pytest.raises(ConfigError, match="no classes"):
        model.forward_heatmap(x)
    model.reset_classifier(2)
    assert model(x).shape == (2, 2)


def test_a_model_without_classes_can_be_built(build: Build):
    model = build(num_classes=0).eval()
    assert model(images()).shape == (2, model.num_features)


def test_layer_decay_groups(build: Build, case: tuple[str, Kind]):
    model = build()
    groups = param_groups_layer_decay(model, layer_decay=0.5)
    scales = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(scales) == len(list(model.parameters()))
    named = {name: scales[id(p)] for name, p in model.named_parameters()}
    encoder = {name: scale for name, scale in named.items() if name.startswith("encoder.")}
    assert {scale for name, scale in named.items() if name not in encoder} == {1.0}
    assert max(encoder.values()) == 0.5
    assert named[f"encoder.{case[1].stem}"] == min(named.values()) <= 0.125


def test_coarse_groups_are_fewer(build: Build):
    model = build()
    names = [name for name, _ in model.named_parameters()]
    fine, coarse = ({match(name) for name in names} for match in (model.group_matcher(), model.group_matcher(True)))
    assert 2 <= len(coarse) <= len(fine)


def test_optimizer_with_layer_decay(build: Build):
    model = build()
    optimizer = create_optimizer_v2(model, "adamw", lr=0.01, weight_decay=0.05, layer_decay=0.75)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))
    model(images()).sum().backward()
    optimizer.step()


def test_no_weight_decay_names_exist(build: Build, case: tuple[str, Kind]):
    model = build()
    names = dict(model.named_parameters())
    exempt = model.no_weight_decay()
    assert exempt <= set(names)
    assert bool(exempt) == case[1].exempts
    optimizer = create_optimizer_v2(model, "sgd", lr=0.1, weight_decay=0.05)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {decays[id(names[name])] for name in exempt} <= {0.0}


# -- fine-tuning ------------------------------------------------------------------------------------------------------


def norm_stats(model: HeatmapClassifier) -> list[Tensor]:
    return [b.clone() for name, b in model.encoder.named_buffers() if name.endswith("running_mean")]


@pytest.mark.parametrize("stats", ["move", "stay"])
def test_freeze_encoder(build: Build, case: tuple[str, Kind], stats: str):
    model = build()
    model.freeze_encoder(norm_stats=stats)
    model.eval()
    model.train()
    assert model.training
    assert model.head.training
    before = norm_stats(model)
    assert bool(before) == (case[1].name == "test_resnet")
    model(images()).sum().backward()
    assert all(p.grad is None and not p.requires_grad for p in model.encoder.parameters())
    assert model.head.weight.grad is not None
    moved = [not torch.equal(a, b) for a, b in zip(before, norm_stats(model), strict=True)]
    assert all(move == (stats == "move") for move in moved)


def test_unfreeze_encoder(build: Build):
    model = build()
    model.freeze_encoder(norm_stats="stay")
    model.unfreeze_encoder()
    assert all(module.training for module in model.modules())
    assert all(p.requires_grad for p in model.parameters())
    before = norm_stats(model)
    model(images())
    assert all(not torch.equal(a, b) for a, b in zip(before, norm_stats(model), strict=True))


def test_freezing_in_eval_mode_stays_in_eval_mode(build: Build):
    model = build().eval()
    model.freeze_encoder()
    model.unfreeze_encoder()
    assert not any(module.training for module in model.modules())


def test_freeze_encoder_refuses_unknown_word(build: Build):
    with pytest.raises(ConfigError, match="norm_stats='frozen' is not one of move, stay"):
        build().freeze_encoder("frozen")


# -- labels and wrong input -------------------------------------------------------------------------------------------


def test_set_thresholds(build: Build):
    model = build()
    assert model.thresholds is None
    model.set_thresholds([0.5, 0.25, 0.75])
    assert model.thresholds == (0.5, 0.25, 0.75)
    for wrong in ([0.5], [0.5, 0.5, 1.0], [0, 0.5, 0.5], ["a", "b", "c"]):
        with pytest.raises(ConfigError, match=r"one probability in \(0, 1\) for each of 3"):
            model.set_thresholds(wrong)
    assert model.thresholds == (0.5, 0.25, 0.75)
    model.reset_classifier(3)
    assert model.thresholds is None


def test_set_labels(build: Build):
    model = build()
    assert model.label_names == ("class_0", "class_1", "class_2")
    model.set_labels(["Mass", "Nodule", "Hernia"])
    assert model.label_names == ("Mass", "Nodule", "Hernia")
    for wrong in (["a", "b"], ["a", "b", "c", "d"], ["a", "a", "b"]):
        with pytest.raises(ConfigError, match="3 classes; give one distinct name per class"):
            model.set_labels(wrong)
    assert model.label_names == ("Mass", "Nodule", "Hernia")


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (3, 64, 64), (1, 4, 64, 64), (1, 3, 64, 64, 1)])
def test_wrong_input_is_refused_in_one_sentence(build: Build, case: tuple[str, Kind], shape: tuple[int, ...]):
    model = build()
    with pytest.raises(ConfigError) as caught:
        model(torch.zeros(shape))
    message = str(caught.value)
    assert str(shape) in message
    assert "(N, 3, H, W)" in message
    assert model.architecture in message
    assert (f"in_chans={shape[1]} " in message) == (len(shape) == 4)


# -- copies and exports -----------------------------------------------------------------------------------------------


def saved_and_loaded(model: HeatmapClassifier) -> HeatmapClassifier:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


DUPLICATES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "torch.save": saved_and_loaded,
}


@pytest.mark.parametrize("duplicate", DUPLICATES.values(), ids=DUPLICATES.keys())
def test_copies_are_equal_and_independent(build: Build, duplicate: Callable[[HeatmapClassifier], HeatmapClassifier]):
    model = build(label_names=["a", "b", "c"]).eval()
    twin = duplicate(model)
    with torch.no_grad():
        expected = model.forward_heatmap(images())
        torch.testing.assert_close(twin.forward_heatmap(images()), expected, rtol=0, atol=0)
        for parameter in model.parameters():
            parameter.zero_()
        torch.testing.assert_close(twin.forward_heatmap(images()), expected, rtol=0, atol=0)
    assert (twin.label_names, twin.architecture, twin.model_args) == (
        model.label_names,
        model.architecture,
        model.model_args,
    )


def test_rebuilt_from_its_own_description(build: Build):
    model = build(in_chans=1, pooling="avg").eval()
    args = dict(model.model_args)
    twin = build_model(model.architecture, model.num_classes, **args).eval()
    twin.load_state_dict(model.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(twin(images(chans=1)), model(images(chans=1)), rtol=0, atol=0)
    assert twin.pretrained_cfg == model.pretrained_cfg


def test_channels_last_memory(build: Build):
    model = build().eval()
    with torch.no_grad():
        expected = model(images())
        model.to(memory_format=torch.channels_last)
        actual = model(images().to(memory_format=torch.channels_last))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


TO_EXPORT = pytest.mark.parametrize(
    "case", [("pylon", KINDS["batch-norm"]), ("cam", KINDS["one-stride"])], ids=["pylon", "cam"]
)


@TO_EXPORT
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::FutureWarning")
def test_traces(build: Build):
    model = build().eval()
    with torch.no_grad():
        traced = torch.jit.trace(model, images(1), check_trace=False)
        torch.testing.assert_close(traced(images(1)), model(images(1)))


@TO_EXPORT
def test_exports(build: Build):
    model = build().eval()
    with torch.no_grad():
        program = torch.export.export(model, (images(1),))
        torch.testing.assert_close(program.module()(images(1)), model(images(1)))
