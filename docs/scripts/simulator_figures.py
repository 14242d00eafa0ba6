"""Draw the figures of docs/explanation/simulator.md and print its tables: ECGs on paper, marginals, what each modality carries.

python docs/scripts/simulator_figures.py [FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eccl.readers.ecg.cardiosoft import LEADS
from eccl.simulate import HeartState, measure_traits
from eccl.simulate.ecg.dipole import beat_of
from eccl.simulate.ecg.render import RESOLUTION_UV, SAMPLE_RATE_HZ, Ecg, record_ecg
from eccl.simulate.heart.physiology import DISEASES
from eccl.simulate.heart.population import draw_columns
from eccl.simulate.heart.state import from_columns

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.support.heart_measures import TRAIT_GROUPS, ecg_features, group_means, mask_features

Floats = NDArray[np.float64]
FIGURES = Path(__file__).resolve().parents[1] / "figures"
PEOPLE, RECORDINGS = 20_000, 3000

# Okabe and Ito's colours: distinct for every kind of colour vision.
BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#767676", "#1b1b1b"
PAPER, FINE, COARSE = "#fff5f3", "#f7d3cd", "#eaa79e"

# Position among the 82 traits, unit, published mean and SD of men, of women.
PUBLISHED: dict[str, tuple[int, str, float, float, float, float]] = {
    "LVEDV": (0, "mL", 166, 32, 124, 22),
    "LVESV": (1, "mL", 70, 20, 50, 14),
    "LVEF": (3, "%", 58, 6, 61, 5.5),
    "LVM": (5, "g", 107, 21, 73, 14),
    "RVEDV": (6, "mL", 180, 36, 130, 25),
    "RVEF": (9, "%", 54.5, 6, 58, 6),
    "LA maximum": (10, "mL", 74, 24, 64, 20),
    "LAEF": (13, "%", 59, 9, 61, 8.5),
    "RA maximum": (14, "mL", 95, 28, 70, 20),
    "ascending aorta": (18, "mm²", 880, 190, 725, 160),
    "AAo distensibility": (20, "10⁻³/mmHg", 1.77, 1.15, 2.10, 1.45),
    "wall thickness": (40, "mm", 6.3, 0.75, 5.3, 0.60),
    "Ecc": (57, "%", -21.6, 3.3, -23.2, 3.1),
    "Err": (74, "%", 44, 8, 47, 8.5),
    "Ell": (81, "%", -17.9, 2.8, -19.2, 2.7),
}
# What a regression on an ECG should explain of a trait group: the aims of the calibration.
AIMS = {"LVEDV": 0.58, "LVESV": 0.50, "LVSV, CO": 0.45, "LVEF": 0.30, "LVM": 0.65, "RV volumes": 0.60, "RVEF": 0.30}
AIMS |= {"LA": 0.35, "RA": 0.35, "aortic area": 0.40, "distensibility": 0.35, "WT global": 0.55, "WT segments": 0.45}
AIMS |= {"Ecc global": 0.32, "Ecc segments": 0.22, "Err global": 0.25, "Err segments": 0.15, "Ell global": 0.28}
AIMS |= {"Ell segments": 0.18, "all": 0.31}


@dataclass(frozen=True)
class People:
    """States, whether male, and measured traits."""

    states: list[HeartState]
    male: NDArray[np.bool_]
    traits: Floats


def main() -> None:
    """Draw everything into the folder given, or into docs/figures."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else FIGURES
    out.mkdir(parents=True, exist_ok=True)
    people = draw_people()
    for name, (title, state, seed) in choose_hearts().items():
        draw_ecg(out / f"simulator_ecg_{name}.png", title, record_ecg(state, np.random.default_rng(seed)))
    draw_marginals(out / "simulator_marginals.png", people)
    print_marginals(people)
    carried = carried_information(people)
    draw_carried(out / "simulator_carried.png", carried)
    print_carried(carried)
    print_diseases()


def draw_people() -> People:
    """A natural cohort with one scan each."""
    columns = draw_columns(np.random.default_rng(41), PEOPLE, enriched=False)
    states = [from_columns(columns, index) for index in range(PEOPLE)]
    traits = [measure_traits(state, np.random.default_rng([42, index])) for index, state in enumerate(states)]
    return People(states, columns["male"], np.stack(traits))


# --- ECGs on paper ------------------------------------------------------------------------------------------------


def choose_hearts() -> dict[str, tuple[str, HeartState, int]]:
    """One heart per kind of ECG out of a cohort with many diseases: file name -> title, state, seed of the recording."""
    columns = draw_columns(np.random.default_rng(7), 4000, enriched=True)
    states = [from_columns(columns, index) for index in range(4000)]

    def plain(s: HeartState) -> bool:
        quiet = s.conduction == "normal" and not s.atrial_fibrillation and not s.hypertrophic and s.lv_ef > 0.45
        return quiet and not s.anterior_fascicular_block and not s.incomplete_rbbb and not s.av_block

    anterior = np.array([2, 7, 8, 13, 14]) - 1

    def most(score: Callable[[HeartState], float], *, among: Callable[[HeartState], bool]) -> HeartState:
        return max((s for s in states if among(s)), key=score)

    return {
        "normal": ("Sinus rhythm", most(_ordinary, among=lambda s: plain(s) and s.scar.sum() == 0), 4),
        "anterior_scar": (
            "Anterior scar: Q in V1 to V3, T turned over",
            most(lambda s: float(s.scar[anterior].sum()), among=plain),
            3,
        ),
        "fibrillation": (
            "Atrial fibrillation: no P, irregular RR",
            most(
                _ordinary,
                among=lambda s: s.atrial_fibrillation and s.conduction == "normal" and s.scar.sum() < 0.3,
            ),
            4,
        ),
        "lbbb": (
            "Left bundle branch block",
            most(_ordinary, among=lambda s: s.conduction == "lbbb" and not s.atrial_fibrillation),
            5,
        ),
        "hypertrophic": (
            "Hypertrophic cardiomyopathy: high voltage, lateral T turned over",
            most(
                lambda s: -float(beat_of(s).waves[5:7, 2].max()),
                among=lambda s: s.hypertrophic and s.conduction == "normal" and not s.atrial_fibrillation,
            ),
            6,
        ),
    }


def _ordinary(state: HeartState) -> float:
    """Least of its own in the ECG's latents, and an ordinary rate."""
    return -float((state.electrical**2).mean()) - abs(state.heart_rate - 66.0) / 20.0


def draw_ecg(path: Path, title: str, ecg: Ecg) -> None:
    """Twelve leads in three rows of four and a rhythm strip; 25 mm/s, 10 mm/mV, drawn to scale in millimetres."""
    width, row_mm, rows = 250.0, 28.0, 4
    height = row_mm * rows + 8.0
    figure = plt.figure(figsize=((width + 20.0) / 25.4, (height + 12.0) / 25.4), dpi=112)
    axis = figure.add_axes((0.01, 0.01, 0.98, 0.90))
    axis.set_facecolor(PAPER)
    _rule(axis, width + 16.0, height)
    mv = ecg.strip.astype(np.float64) * RESOLUTION_UV / 1000.0
    order = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
    columns = mv.shape[1] // 4
    for row, leads in enumerate(order):
        base = height - row_mm * (row + 0.62)
        _calibration(axis, base)
        for column, lead in enumerate(leads):
            part = slice(column * columns, (column + 1) * columns)
            _trace(axis, mv[LEADS.index(lead), part], column * columns, base, lead)
    base = row_mm * 0.45
    _calibration(axis, base)
    _trace(axis, mv[LEADS.index("II")], 0, base, "II")
    axis.set_xlim(0, width + 16.0)
    axis.set_ylim(0, height)
    axis.set_xticks([])
    axis.set_yticks([])
    rate = 60_000.0 / ecg.rr_ms
    figure.suptitle(f"{title}   ({rate:.0f}/min, QRS {ecg.beat.qrs_ms:.0f} ms; 25 mm/s, 10 mm/mV)", fontsize=9, y=0.975)
    _save(figure, path, colours=48)


def _rule(axis: plt.Axes, width: float, height: float) -> None:
    for step, colour, line in ((1.0, FINE, 0.35), (5.0, COARSE, 0.6)):
        axis.vlines(np.arange(0.0, width + 0.1, step), 0, height, colors=colour, linewidths=line, zorder=0)
        axis.hlines(np.arange(0.0, height + 0.1, step), 0, width, colors=colour, linewidths=line, zorder=0)


def _calibration(axis: plt.Axes, base: float) -> None:
    axis.plot([1, 2, 2, 7, 7, 8], np.array([0, 0, 10, 10, 0, 0]) + base, color=INK, linewidth=0.8)


def _trace(axis: plt.Axes, mv: Floats, first_sample: int, base: float, name: str) -> None:
    x = 9.0 + 25.0 * (first_sample + np.arange(len(mv))) / SAMPLE_RATE_HZ
    axis.plot(x, base + 10.0 * (mv - np.median(mv)), color=INK, linewidth=0.75, zorder=3)
    axis.text(x[0] + 1.0, base + 10.0, name, fontsize=7.5, color=INK, weight="bold", zorder=1)


def _save(figure: plt.Figure, path: Path, *, colours: int = 0) -> None:
    figure.savefig(path, pil_kwargs={"optimize": True})
    plt.close(figure)
    if colours:
        from PIL import Image

        with Image.open(path) as picture:
            reduced = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        reduced.save(path, optimize=True)


# --- marginals ----------------------------------------------------------------------------------------------------


def draw_marginals(path: Path, people: People) -> None:
    """Histograms of measured traits by sex, and the published mean and standard deviation above them."""
    figure, axes = plt.subplots(3, 5, figsize=(11.0, 6.0), dpi=100, layout="constrained")
    for axis, (name, (column, unit, *published)) in zip(axes.flat, PUBLISHED.items(), strict=True):
        values = people.traits[:, column]
        low, high = np.nanpercentile(values, [0.3, 99.7])
        bins = np.linspace(low, high, 45)
        top = 0.0
        for sex, colour in ((True, BLUE), (False, ORANGE)):
            chosen = values[(people.male == sex) & ~np.isnan(values)]
            counts, _, _ = axis.hist(chosen, bins, density=True, color=colour, alpha=0.45)
            top = max(top, float(counts.max()))
        for place, (mean, sd, colour) in enumerate(((*published[:2], BLUE), (*published[2:], ORANGE))):
            y = top * (1.12 + 0.14 * place)
            axis.plot([mean - sd, mean + sd], [y, y], color=colour, linewidth=1.6)
            axis.plot(mean, y, "o", color=colour, markersize=5)
        axis.set_title(f"{name}, {unit}", fontsize=9)
        axis.set_yticks([])
        axis.tick_params(labelsize=8)
        axis.spines[["top", "left", "right"]].set_visible(False)
    figure.suptitle(
        "Simulated men (blue) and women (orange), error of the scan included; "
        "above: published mean and standard deviation",
        fontsize=10,
    )
    _save(figure, path, colours=64)


def print_marginals(people: People) -> None:
    """The table of marginals as markdown."""
    print("| trait | men simulated | men published | women simulated | women published |\n|---|---|---|---|---|")
    for name, (column, unit, *published) in PUBLISHED.items():
        cells = []
        digits = 2 if abs(published[0]) < 10 else 1
        for sex, (mean, sd) in ((True, published[:2]), (False, published[2:])):
            values = people.traits[people.male == sex, column]
            cells.append(f"{np.nanmean(values):.{digits}f} ± {np.nanstd(values):.{digits}f} | {mean:g} ± {sd:g}")
        print(f"| {name}, {unit} | {' | '.join(cells)} |")


# --- carried information ------------------------------------------------------------------------------------------


def ridge_r(features: Floats, values: Floats) -> Floats:
    """Cross-validated correlation per trait, complete cases only."""
    known = ~np.isnan(values).any(axis=1)
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 11)))
    folds = KFold(5, shuffle=True, random_state=0)
    predicted = cross_val_predict(model, features[known], values[known], cv=folds)
    pairs = zip(predicted.T, values[known].T, strict=True)
    return np.array([np.corrcoef(one, other)[0, 1] for one, other in pairs])


def carried_information(people: People) -> dict[str, dict[str, float]]:
    """Mean correlation per trait group for sex alone, for features of the ECG and for those of the masks."""
    states, traits = people.states[:RECORDINGS], people.traits[:RECORDINGS]
    ecgs = [record_ecg(state, np.random.default_rng([43, index])) for index, state in enumerate(states)]
    features = {
        "sex": people.male[:RECORDINGS, None].astype(np.float64),
        "sex, age, size, pressure": np.array(
            [[s.male, s.age_years, s.height_cm, s.weight_kg, s.sbp] for s in states], dtype=np.float64
        ),
        "ECG": np.stack([ecg_features(ecg) for ecg in ecgs]),
        "CMR masks": np.stack([mask_features(state) for state in states]),
    }
    return {name: group_means(ridge_r(values, traits)) for name, values in features.items()}


def draw_carried(path: Path, carried: dict[str, dict[str, float]]) -> None:
    """A dot per trait group and predictor."""
    names = [*TRAIT_GROUPS, "all"]
    y = np.arange(len(names))[::-1]
    figure, axis = plt.subplots(figsize=(7.6, 6.2), dpi=100, layout="constrained")
    axis.hlines(y, 0, 1, color="#e4e4e4", linewidth=0.8, zorder=0)
    for label, colour, marker in (("sex", GREY, "|"), ("ECG", BLUE, "o"), ("CMR masks", ORANGE, "s")):
        values = [carried[label][name] for name in names]
        size = 110 if marker == "|" else 42
        axis.scatter(values, y, s=size, color=colour, marker=marker, linewidths=1.8, label=label, zorder=3)
    aims = [AIMS[name] for name in names]
    axis.scatter(aims, y, s=95, facecolors="none", edgecolors=INK, linewidths=0.9, label="aim for the ECG", zorder=2)
    axis.set_yticks(y, [f"{name} (mean of 82)" if name == "all" else name for name in names], fontsize=9)
    axis.set_xlim(0, 1)
    axis.set_ylim(-0.8, len(names) - 0.2)
    axis.set_xlabel("R of a cross-validated ridge regression on features", fontsize=9)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.legend(loc="upper center", bbox_to_anchor=(0.45, 1.07), ncol=4, frameon=False, fontsize=9)
    _save(figure, path, colours=64)


def print_carried(carried: dict[str, dict[str, float]]) -> None:
    """The table of carried information as markdown."""
    print("\n| traits | " + " | ".join([*carried, "aim for the ECG"]) + " |\n|---" + "|---" * (len(carried) + 1) + "|")
    for name in [*TRAIT_GROUPS, "all"]:
        print(f"| {name} | " + " | ".join(f"{c[name]:.2f}" for c in carried.values()) + f" | {AIMS[name]:.2f} |")


def print_diseases() -> None:
    """Return the AUC of a logistic regression between participants with each disease at the visit and those without any."""
    columns = draw_columns(np.random.default_rng(3), 60_000, enriched=False)
    cases = {code: np.flatnonzero(columns[f"onset_{code}"] < 0)[:500] for code in DISEASES}
    free = np.flatnonzero(np.all([np.isnan(columns[f"onset_{code}"]) for code in DISEASES], axis=0))[:1500]
    chosen = np.unique(np.concatenate([*cases.values(), free]))
    place = {int(person): row for row, person in enumerate(chosen)}
    states = [from_columns(columns, int(person)) for person in chosen]
    ecgs = [record_ecg(state, np.random.default_rng([44, row])) for row, state in enumerate(states)]
    features = {
        "age and sex": np.array([[s.male, s.age_years] for s in states], dtype=np.float64),
        "ECG": np.stack([ecg_features(ecg) for ecg in ecgs]),
        "CMR masks": np.stack([mask_features(state) for state in states]),
    }
    print("\n| disease | " + " | ".join(features) + " |\n|---" + "|---" * len(features) + "|")
    for code, who in cases.items():
        rows = np.array([place[int(person)] for person in np.concatenate([who, free])])
        truth = np.repeat([1, 0], [len(who), len(free)])
        cells = []
        for values in features.values():
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2000))
            guess = cross_val_predict(model, values[rows], truth, cv=5, method="predict_proba")[:, 1]
            cells.append(f"{roc_auc_score(truth, guess):.2f}")
        print(f"| {code} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
