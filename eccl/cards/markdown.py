"""How a card writes tables, lists and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from eccl.cards.performance import Estimate

DASH = "–"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, with a line feed at its end."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def bullets(lines: Iterable[str]) -> str:
    """A list in Markdown, with a line feed at its end."""
    return "".join(f"- {line}\n" for line in lines)


def bracket(one: Estimate) -> str:
    """``0.702 (0.650 to 0.751)``; a dash where there is no score."""
    if np.isnan(one.value):
        return DASH
    return f"{one.value:.3f}" + ("" if np.isnan(one.lower) else f" ({one.lower:.3f} to {one.upper:.3f})")


def plain(value: float) -> str:
    """Three significant digits; a dash where there is no number."""
    return DASH if np.isnan(value) else f"{value:.3g}"
