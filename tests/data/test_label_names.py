"""Classes meet by name."""

from __future__ import annotations

import pytest

from pylon_zoo.data.label_names import match_labels
from pylon_zoo.errors import ConfigError


def test_order_does_not_matter_and_absent_classes_are_none():
    assert match_labels(("a", "b", "c"), ("c", "x", "a")) == [2, None, 0]


@pytest.mark.parametrize(
    "name", ["Pleural_Thickening", "pleural thickening", "PLEURAL-THICKENING", " Pleural  Thickening "]
)
def test_case_blanks_dashes_and_underscores_do_not_matter(name):
    assert match_labels(("Mass", "Pleural_Thickening"), (name,)) == [1]


def test_no_common_class_is_refused_and_both_sides_named():
    with pytest.raises(ConfigError, match=r"class_0, class_1.*Mass, Nodule"):
        match_labels(("class_0", "class_1"), ("Mass", "Nodule"))
    with pytest.raises(ConfigError, match=r"… 20 in all"):
        match_labels([f"class_{index}" for index in range(20)], ("Mass",))


def test_names_that_become_one_are_refused():
    with pytest.raises(ConfigError, match="differ in case or blanks only"):
        match_labels(("Mass", "mass"), ("Mass",))
