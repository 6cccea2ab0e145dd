"""Pages that are one file each: templates, which escape what they are given, with style sheets and scripts inside.

`base.html` is what all pages share; each other template says in its first lines what it takes. Nothing here knows a
model or data: who calls `render` works out what is to be shown, and a template says how.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pylon_zoo._version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, /, **values: Any) -> str:
    """A page that needs no other file and makes no request.

    Args:
        template: name of a file beside this one.
        values: what it asks for; text is escaped.

    Returns:
        HTML.

    Raises:
        jinja2.TemplateNotFound: there is no such template.
        jinja2.UndefinedError: a value is missing.

    Example:
        >>> page = render("base.html", title="a & b", facts={"Images": 3})
        >>> "<h1>a &amp; b</h1>" in page, "<dd>3</dd>" in page
        (True, True)
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["version"] = __version__
    return environment
