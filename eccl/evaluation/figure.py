"""R of every trait, grouped: the paper's figure 2c at whatever size the cohort has."""

from __future__ import annotations

from pathlib import Path

import polars as pl

GROUPS = (
    ("Ventricles", range(24100, 24110)),
    ("Atria", range(24110, 24118)),
    ("Aorta", range(24118, 24124)),
    ("Wall thickness", range(24124, 24141)),
    ("Circumferential strain", range(24141, 24158)),
    ("Radial strain", range(24158, 24175)),
    ("Longitudinal strain", range(24175, 24182)),
)
# Okabe and Ito's colours, told apart by readers with any colour vision.
COLOURS = {"ECCL": "#0072B2", "CMR_Sup": "#E69F00"}


def draw_traits(traits: pl.DataFrame, split: str, path: Path) -> None:
    """Draw R per trait, a panel per group of traits and a mark per arm.

    Parameters
    ----------
    traits
        Rows of :func:`eccl.evaluation.scoring.score_traits`.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(GROUPS), figsize=(15, 4.6), sharey=True, width_ratios=[len(fields) + 2 for _, fields in GROUPS]
    )
    for axis, (title, fields) in zip(axes, GROUPS, strict=True):
        group = traits.filter(pl.col("field_id").is_in(list(fields)))
        names = group.unique("field_id", maintain_order=True)["short_name"].to_list()
        for arm, colour in COLOURS.items():
            r = group.filter(pl.col("arm") == arm)["r"].cast(pl.Float64).to_numpy()
            axis.plot(range(len(r)), r, "o", color=colour, markersize=4, label=arm)
        axis.axhline(0, color="0.6", linewidth=0.8)
        axis.set_title(title, fontsize=9)
        axis.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlim(-1, len(names))
    axes[0].set_ylim(-1.05, 1.05)
    axes[0].set_ylabel(f"Pearson R, {split} split")
    axes[0].legend(frameon=False, fontsize=8, loc="lower left")
    figure.tight_layout()
    # No date in the file: the same scores give the same bytes.
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)
