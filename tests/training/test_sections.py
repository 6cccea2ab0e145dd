"""Tables to dataclasses and back."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylon_zoo.errors import ConfigError, UnknownNameError
from pylon_zoo.training.sections import Origin, build, dump, plain, setting

ORIGIN = Origin("my.toml", frozenset({"inner.rate"}))


@dataclass(frozen=True)
class Inner:
    """A section."""

    rate: float = setting(0.5, above=0, at_most=1)
    kind: str = setting("red", choices=("red", "green"))


@dataclass(frozen=True)
class Outer:
    """A file."""

    count: int = setting(1, at_least=1)
    on: bool = setting(False)
    values: tuple[float, ...] | None = setting(None, at_least=0)
    kinds: tuple[str, ...] = setting(("red",), choices=("red", "green"))
    free: dict[str, Any] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)


def test_what_is_not_set_has_its_default():
    assert build(Outer, {}, ORIGIN) == Outer()
    built = build(Outer, {"count": 2, "values": [1, 0.5], "kinds": ["green", "red"], "inner": {"rate": 1}}, ORIGIN)
    assert built == Outer(count=2, values=(1.0, 0.5), kinds=("green", "red"), inner=Inner(rate=1.0))
    assert isinstance(built.inner.rate, float)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"count": 0}, r"^my\.toml: count = 0 is not possible: it must be at least 1\.$"),
        ({"count": 1.0}, r"my\.toml: count must be a whole number; it is 1\.0"),
        ({"count": True}, r"my\.toml: count must be a whole number; it is True"),
        ({"on": 1}, r"my\.toml: on must be true or false; it is 1"),
        ({"on": "yes"}, r"my\.toml: on must be true or false"),
        ({"values": 3}, r"my\.toml: values must be a list"),
        ({"values": []}, r"my\.toml: values must be a list of at least one number"),
        ({"values": [1, "a"]}, r"my\.toml: values must be a number; it is 'a'"),
        ({"values": [1, -1]}, r"my\.toml: values = -1 is not possible: it must be at least 0"),
        ({"values": [1, float("inf")]}, r"my\.toml: values = inf is not possible: it must be finite"),
        ({"kinds": []}, r"my\.toml: kinds must be a list of at least one string; it is \[\]"),
        ({"kinds": "red"}, r"my\.toml: kinds must be a list of at least one string; it is 'red'"),
        ({"kinds": ["red", 1]}, r"my\.toml: kinds must be a string; it is 1"),
        ({"kinds": ["red", "gren"]}, r"my\.toml: kinds = 'gren' is not possible\. Did you mean 'green'\?"),
        ({"free": 1}, r"my\.toml: free must be a table"),
        ({"inner": 1}, r"--set inner\.rate must be a table"),
        ({"inner": {"rate": 0}}, r"--set inner\.rate = 0 is not possible: it must be above 0"),
        ({"inner": {"rate": 1.5}}, r"must be at most 1"),
        ({"inner": {"rate": float("nan")}}, r"--set inner\.rate = nan is not possible"),
        ({"inner": {"kind": "gren"}}, r"my\.toml: inner\.kind = 'gren' is not possible\. Did you mean 'green'\?"),
        ({"inner": {"kind": "x"}}, r"It can be 'red', 'green'"),
    ],
)
def test_wrong_values_are_refused_by_name(table, message):
    with pytest.raises(ConfigError, match=message):
        build(Outer, table, ORIGIN)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"cuont": 1}, r"my\.toml: cuont is not a setting\. Did you mean 'count'\?"),
        ({"inner": {"zzz": 1}}, r"my\.toml: inner\.zzz is not a setting\. The settings here are rate, kind"),
    ],
)
def test_unknown_keys_are_refused_by_name(table, message):
    with pytest.raises(UnknownNameError, match=message):
        build(Outer, table, ORIGIN)


def test_round_trip_of_a_dataclass():
    original = Outer(
        count=7,
        on=True,
        values=(0.25, 3.0),
        kinds=("green", "red"),
        free={"a b": {"c": ["x", "y"]}, "d": {}},
        inner=Inner(kind="green"),
    )
    assert build(Outer, tomllib.loads(dump(plain(original))), Origin("x")) == original


keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5)
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=8
)  # fmt: skip
tables = st.recursive(
    st.dictionaries(keys, scalars | st.lists(scalars, max_size=3), max_size=4),
    lambda inner: st.dictionaries(keys, scalars | inner, max_size=4),
    max_leaves=6,
)


@given(tables)
def test_dump_is_read_back_as_it_was(table):
    assert tomllib.loads(dump(table)) == table


@dataclass(frozen=True)
class Row:
    name: str = ""
    size: int | None = setting(None, at_least=1)


@dataclass(frozen=True)
class Rows:
    seed: int = 0
    rows: tuple[Row, ...] | None = None


def test_lists_of_tables_are_read_and_written():
    original = Rows(3, (Row("a", 2), Row("b")))
    text = dump(plain(original))
    assert text == 'seed = 3\n\n[[rows]]\nname = "a"\nsize = 2\n\n[[rows]]\nname = "b"\n'
    assert build(Rows, tomllib.loads(text), Origin("x")) == original
    with pytest.raises(ConfigError, match=r"x: rows\[2\]\.size = 0 is not possible: it must be at least 1"):
        build(Rows, {"rows": [{}, {"size": 0}]}, Origin("x"))
    with pytest.raises(ConfigError, match=r"x: rows must be a list of at least one table; it is \[\]"):
        build(Rows, {"rows": []}, Origin("x"))
    with pytest.raises(ConfigError, match=r"x: rows\[1\] must be a table; it is 'a'"):
        build(Rows, {"rows": ["a"]}, Origin("x"))


def test_dump_refuses_what_toml_cannot_hold():
    with pytest.raises(ConfigError, match="object"):
        dump({"a": object()})


def test_all_settings_that_may_be_meant_are_named_in_one_order():
    origin = Origin("a.toml", frozenset({"model.options.norm", "model.architecture", "modelling.x"}))
    assert origin.at("model") == "--set model.architecture, model.options.norm"
