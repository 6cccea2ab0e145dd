"""Docstrings of this library in the form that the parser of Google's style knows.

`mean, std: per channel` stands for two arguments; `Example:` is a session to be shown as code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

SEVERAL = re.compile(r"^ {4}(\*{0,2}\w+(?:, \*{0,2}\w+)+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


class HouseStyle(griffe.Extension):
    """Rewrites every docstring before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for each module, class, function and attribute."""
        if obj.docstring is not None:
            text = SEVERAL.sub(_one_by_one, obj.docstring.value)
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)


def _one_by_one(match: re.Match[str]) -> str:
    """One entry for each name, all with the same words."""
    return "\n".join(f"    {name}: {match[2]}" for name in match[1].split(", "))
