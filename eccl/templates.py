"""Reports as Jinja2 templates, which stand in the package beside the module that fills them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def render(file: str, **values: object) -> str:
    """Fill a template.

    Parameters
    ----------
    file
        Path below the package, for example ``quality/summary.html.jinja``. Values are escaped in HTML only.
    values
        What the template names. A name without a value is an error, not an empty text.
    """
    return _environment().get_template(file).render(values)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, ``1 row`` or ``1,024 rows``; in templates the filter ``count``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@functools.cache
def _environment() -> Environment:
    # Imported at the first report: a training stage needs no Jinja2.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=_is_html,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {"count": count_of, "code": lambda text: f"`{text}`"}
    environment.filters.update(filters)
    return environment


def _is_html(name: str | None) -> bool:
    return name is not None and name.endswith(".html.jinja")
