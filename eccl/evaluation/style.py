"""Style of all figures: colours for any colour vision, sizes for a journal's page, files that change only with their content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eccl.data.files import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE_WIDTH = 7.2
"""Inches: the text width of a journal's page. Figures are drawn at this width, so that letters have the stated size."""
RESOLUTION = 300
"""Dots per inch of PNG files."""

# Okabe and Ito's colours.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, LIGHT_GREY = "#777777", "#CCCCCC"
COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK)
"""For series without a colour of their own, in this order."""
SERIES = {"ECG": BLUE, "CMR": ORANGE, "ECCL": BLUE, "CMR_Sup": ORANGE}
"""The ECG and what reads it are blue, the CMR and what reads it are orange, in every figure."""

SMALL, NORMAL, LARGE = 6.0, 7.0, 8.0
"""Points: dense tick labels; axis labels, ticks and legends; titles and panel letters."""

_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same letters on every machine
    "font.size": NORMAL,
    "axes.titlesize": LARGE,
    "axes.labelsize": NORMAL,
    "xtick.labelsize": NORMAL,
    "ytick.labelsize": NORMAL,
    "legend.fontsize": NORMAL,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "figure.constrained_layout.use": True,
    "savefig.dpi": RESOLUTION,
    "svg.fonttype": "none",  # text stays text: to be searched, and edited by a publisher
    "svg.hashsalt": "eccl",
}


@contextmanager
def drawing(height: float, width: float = PAGE_WIDTH) -> Iterator[Figure]:
    """An empty figure in the project's style, closed at the end.

    Parameters
    ----------
    height, width
        Inches.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    with mpl.rc_context(_SETTINGS):
        figure = plt.figure(figsize=(width, height))
        try:
            yield figure
        finally:
            plt.close(figure)


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as PNG and SVG beside each other; equal figures give equal bytes.

    Parameters
    ----------
    path
        Without suffix, or with one of both.

    Returns
    -------
    list of Path
        The PNG and the SVG.
    """
    import io

    import matplotlib as mpl

    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    # No date and no version in the files.
    kinds: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    settings: Any = {key: _SETTINGS[key] for key in ("svg.fonttype", "svg.hashsalt", "savefig.dpi")}
    with mpl.rc_context(settings):
        for kind, metadata in kinds.items():
            stream = io.BytesIO()
            figure.savefig(stream, format=kind, metadata=metadata)
            target = path.with_suffix("") if path.suffix in {".png", ".svg"} else path
            written.append(target.with_name(f"{target.name}.{kind}"))
            replace_file(written[-1], stream.getvalue())
    return written


def letter(axes: Axes, text: str) -> None:
    """Put a panel's letter above its left corner."""
    axes.annotate(
        text,
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=LARGE,
        fontweight="bold",
    )


def write_note(axes: Axes, text: str) -> None:
    """Write into an empty panel why it is empty."""
    import textwrap

    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(LIGHT_GREY)
    # A letter is about half as wide as it is high; matplotlib itself wraps at the figure's edge only.
    inches = axes.bbox.width / axes.figure.dpi
    lines = textwrap.fill(text, max(12, int(inches * 72 / (SMALL * 0.62))))
    written = axes.text(0.5, 0.5, lines, ha="center", va="center", fontsize=SMALL, color=GREY, transform=axes.transAxes)
    written.set_in_layout(False)
