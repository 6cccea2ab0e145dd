from __future__ import annotations

from fnmatch import fnmatchcase
from math import lcm

import pytest

from pylon_zoo.models.names import list_backbones, timm_module
from pylon_zoo.models.sizes import SIZE_RULES, SizeRule, round_up, size_rule


@pytest.mark.parametrize(
    ("size", "multiple", "rule", "expected"),
    [
        ((300, 417), 32, SizeRule(), (320, 448)),
        ((320, 448), 32, SizeRule(), (320, 448)),
        ((1, 33), 32, SizeRule(), (32, 64)),
        ((1, 1), 16, SizeRule(), (32, 32)),
        ((64, 64), 14, SizeRule(), (70, 70)),
        ((64, 64), 64, SizeRule(), (64, 64)),
        ((32, 80), 32, SizeRule(minimum=75), (96, 96)),
        ((300, 417), 32, SizeRule(square=True), (448, 448)),
        ((300, 417), 32, SizeRule(multiple=224), (448, 448)),
        ((300, 417), 32, SizeRule(multiple=256), (512, 512)),
        ((100, 300), 14, SizeRule(multiple=8), (112, 336)),
    ],
)
def test_round_up(size: tuple[int, int], multiple: int, rule: SizeRule, expected: tuple[int, int]):
    assert round_up(size, multiple, rule) == expected


def test_round_up_covers_and_never_more_than_needed():
    for rule in (SizeRule(), SizeRule(multiple=56), SizeRule(minimum=75)):
        for side in range(1, 500, 7):
            height, width = round_up((side, 2 * side), 32, rule)
            step = lcm(32, rule.multiple)
            assert height % step == width % step == 0
            assert side <= height < max(side, rule.minimum) + step
            assert 2 * side <= width < max(2 * side, rule.minimum) + step


def test_most_architectures_need_no_rule():
    assert size_rule("resnet", "resnet50") == SizeRule()
    assert size_rule("inception_next", "inception_next_atto") == SizeRule()
    assert size_rule("inception_v3", "inception_v3") == SizeRule(minimum=75)
    assert size_rule("inception_resnet_v2", "inception_resnet_v2") == SizeRule(minimum=75)


def test_the_first_pattern_that_fits_counts():
    assert size_rule("byoanet", "haloregnetz_b") is SIZE_RULES["byoanet/haloregnetz*"]
    assert size_rule("byoanet", "eca_halonext26ts") is SIZE_RULES["byoanet/*halo*"]


def test_every_rule_is_for_some_architecture():
    keys = {f"{timm_module(name)}/{name}" for name in list_backbones()}
    unused = [
        pattern for pattern, rule in SIZE_RULES.items() if not any(size_rule(*key.split("/")) is rule for key in keys)
    ]
    assert not unused
    assert all(any(fnmatchcase(key, pattern) for key in keys) for pattern in SIZE_RULES)
