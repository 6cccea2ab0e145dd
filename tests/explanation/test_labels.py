from __future__ import annotations

import pytest

from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.explanation.labels import select_labels

KNOWN = ("Nodule", "Mass", "Effusion")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(None, (0, 1, 2)), ("Mass", (1,)), (["Effusion", "Nodule"], (2, 0)), (["Mass", "Mass"], (1,))],
)
def test_labels_keep_the_order_asked_for(wanted: object, expected: tuple[int, ...]) -> None:
    assert select_labels(wanted, KNOWN) == expected


def test_an_unknown_label_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"'nodule'.*Nodule, Mass, Effusion.*Did you mean 'Nodule'\?"):
        select_labels(["Mass", "nodule"], KNOWN)


def test_many_labels_are_not_all_listed() -> None:
    with pytest.raises(UnknownNameError) as caught:
        select_labels("zebra", [f"class_{index}" for index in range(1000)])
    assert "among the 1000" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_no_label_is_an_error() -> None:
    with pytest.raises(ConfigError, match="No label"):
        select_labels([], KNOWN)
