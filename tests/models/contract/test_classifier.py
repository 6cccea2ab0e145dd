"""timm's classifier interface, as every method has it on every kind of backbone."""

from __future__ import annotations

import pytest
import torch
from timm.optim import create_optimizer_v2, param_groups_layer_decay

from pylon_zoo.errors import ConfigError, UnknownNameError
from tests.models.contract.cases import (
    CLASSES,
    Build,
    Kind,
    images,
    pooled,
)


def test_classifier_words(build: Build, case: tuple[str, Kind]):
    method, kind = case
    model = build()
    assert model.get_classifier() is model.head
    assert model.architecture == f"{method.partition('-')[0]}_{kind.name}"
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_optimizer_with_layer_decay(build: Build):
    model = build()
    optimizer = create_optimizer_v2(model, "adamw", lr=0.01, weight_decay=0.05, layer_decay=0.75)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))
    model(images()).sum().backward()
    optimizer.step()


@pytest.mark.slow
def test_no_weight_decay_names_exist(build: Build, case: tuple[str, Kind]):
    model = build()
    names = dict(model.named_parameters())
    exempt = model.no_weight_decay()
    assert exempt <= set(names)
    assert bool(exempt) == case[1].exempts
    optimizer = create_optimizer_v2(model, "sgd", lr=0.1, weight_decay=0.05)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {decays[id(names[name])] for name in exempt} <= {0.0}
