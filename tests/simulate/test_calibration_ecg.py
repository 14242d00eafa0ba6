"""The sanity table of the simulator, second half: ECG values, and how much of the traits each modality explains.

Tolerances are those of the table (docs/explanation/simulator.md) unless a comment gives another and why.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import detrend, periodogram
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eccl.readers.ecg.cardiosoft import LEADS
from eccl.readers.tables.dictionary import TRAIT_FIELDS
from eccl.simulate.ecg.dipole import QRS_ONSET_MS
from eccl.simulate.ecg.electrodes import INDEPENDENT_LEADS
from eccl.simulate.ecg.measurements import measure
from eccl.simulate.ecg.render import RESOLUTION_UV, SAMPLE_RATE_HZ, Ecg, record_ecg
from eccl.simulate.heart.physiology import Columns, Floats
from eccl.simulate.heart.state import from_columns
from tests.simulate.calibration import RECORDINGS, People, draw_many, draw_people
from tests.support.heart_measures import ECG_FEATURES, TRAIT_GROUPS, ecg_features, group_means, mask_features


@pytest.fixture(scope="module")
def people() -> People:
    return draw_people()


@pytest.fixture(scope="module")
def many() -> Columns:
    return draw_many()


@pytest.fixture(scope="module")
def ecgs(people: People) -> list[Ecg]:
    return [record_ecg(s, np.random.default_rng([8, i])) for i, s in enumerate(people.states[:RECORDINGS])]


@pytest.fixture(scope="module")
def ecg_table(ecgs: list[Ecg]) -> dict[str, Floats]:
    table = dict(zip(ECG_FEATURES, np.stack([ecg_features(ecg) for ecg in ecgs]).T, strict=True))
    table["sokolow"] = table["S_V1"] + np.maximum(table["R_V5"], table["R_V6"])
    return table


# --- ECG ---------------------------------------------------------------------------------------------------------


def test_intervals_by_sex(people: People, ecg_table: dict[str, Floats]) -> None:
    male = people.columns["male"][:RECORDINGS]
    sinus = ecg_table["has_p"] > 0
    medians = {n: [float(np.median(ecg_table[n][sinus & (male == s)])) for s in (1, 0)] for n in ("qrs", "pr", "qtc")}
    assert medians["qrs"] == pytest.approx([95, 86], abs=4)
    assert medians["pr"] == pytest.approx([166, 158], abs=6)
    assert medians["qtc"] == pytest.approx([408, 418], abs=6)
    means = {n: [float(ecg_table[n][male == s].mean()) for s in (1, 0)] for n in ("qrs", "qtc")}
    assert means["qrs"][0] - means["qrs"][1] == pytest.approx(9, abs=2)
    assert means["qtc"][0] - means["qtc"][1] == pytest.approx(-10, abs=3)
    assert 0.03 < (ecg_table["pr"][sinus] > 200).mean() < 0.07
    axis = ecg_table["axis"]
    assert [float(axis[male == s].mean()) for s in (1, 0)] == pytest.approx([22, 34], abs=8)


def test_voltage_and_links_to_the_heart(people: People, ecg_table: dict[str, Floats]) -> None:
    male = people.columns["male"][:RECORDINGS]
    sokolow = ecg_table["sokolow"]
    assert [float(sokolow[male == s].mean()) for s in (1, 0)] == pytest.approx([2.25, 2.0], abs=0.15)
    mass = people.columns["lv_mass"][:RECORDINGS]
    bmi = np.array([state.bmi for state in people.states[:RECORDINGS]])
    assert people.within_sex(sokolow, mass) == pytest.approx(0.28, abs=0.07)
    assert people.within_sex(bmi, ecg_table["axis"]) == pytest.approx(-0.30, abs=0.08)
    assert people.within_sex(bmi, sokolow) == pytest.approx(-0.20, abs=0.08)
    sinus = ecg_table["has_p"] > 0
    p = np.where(sinus, ecg_table["p_duration"], np.nan)
    assert people.within_sex(p, people.columns["la_max"][:RECORDINGS]) == pytest.approx(0.27, abs=0.08)


def test_heart_rate_variability(people: People, ecg_table: dict[str, Floats]) -> None:
    older = (people.columns["age_years"][:RECORDINGS] >= 60) & (ecg_table["has_p"] > 0)
    assert np.median(np.exp(ecg_table["log_rmssd"][older])) == pytest.approx(19, abs=4)


def test_fibrillating_tracings(many: Columns) -> None:
    states = [from_columns(many, int(i)) for i in np.flatnonzero(many["atrial_fibrillation"])[:120]]
    ecgs = [record_ecg(state, np.random.default_rng([6, i])) for i, state in enumerate(states)]
    intervals = [np.diff(ecg.r_times_ms) for ecg in ecgs]
    assert 0.18 < np.mean([rr.std(ddof=1) / rr.mean() for rr in intervals]) < 0.30
    assert abs(np.mean([np.corrcoef(rr[:-1], rr[1:])[0, 1] for rr in intervals if len(rr) >= 3])) < 0.2
    assert all(measure(ecg).pq_ms is None for ecg in ecgs)


def quiet_power(ecg: Ecg) -> float:
    """Power of 4 to 9 Hz in V1 between the end of T and where a P wave could begin, mV²/Hz; NaN without such pauses."""
    v1 = ecg.strip[LEADS.index("V1")] * RESOLUTION_UV / 1000
    first = ecg.r_times_ms[:-1] + QRS_ONSET_MS + ecg.beat.qt_ms + 40
    last = ecg.r_times_ms[1:] - 280
    spans = np.round(np.stack([first, last], axis=1)[last - first >= 250] * SAMPLE_RATE_HZ / 1000).astype(int)
    found = []
    for begin, end in spans:
        hz, power = periodogram(detrend(v1[begin:end]), SAMPLE_RATE_HZ, nfft=2048)
        found.append(power[(hz >= 4) & (hz <= 9)].mean())
    return float(np.mean(found)) if found else np.nan


def p_height(ecg: Ecg) -> float:
    """Height of what precedes every QRS by the same 10 to 220 ms in lead II, mV."""
    lead = ecg.strip[LEADS.index("II")] * RESOLUTION_UV / 1000
    onsets = ((ecg.r_times_ms + QRS_ONSET_MS) * SAMPLE_RATE_HZ / 1000).astype(int)
    return float(np.ptp(detrend(np.mean([lead[q - 110 : q - 5] for q in onsets if q >= 110], axis=0))))


@pytest.mark.parametrize("seed", [6, 7, 8])
def test_fibrillation_shows_in_the_strip(many: Columns, seed: int) -> None:
    """V1 swings between T and Q, and no P wave keeps its place before QRS."""
    fibrillating = many["atrial_fibrillation"]
    power, height = [], []
    for group in (np.flatnonzero(~fibrillating)[:120], np.flatnonzero(fibrillating)[:120]):
        rngs = (np.random.default_rng([seed, turn]) for turn in range(len(group)))
        ecgs = [record_ecg(from_columns(many, int(i)), rng) for i, rng in zip(group, rngs, strict=True)]
        power.append(np.array([quiet_power(ecg) for ecg in ecgs]))
        height.append(np.array([p_height(ecg) for ecg in ecgs]))
    sinus, waves = (values[~np.isnan(values)] for values in power)
    assert min(len(sinus), len(waves)) >= 60
    assert (waves[:, None] > sinus).mean() > 0.98  # of all couples
    assert np.median(waves) > 100 * np.median(sinus)
    assert (height[0][:, None] > height[1]).mean() > 0.95
    assert np.median(height[0]) > 2.5 * np.median(height[1])


# --- what each modality carries ----------------------------------------------------------------------------------


def ridge_r(features: Floats, values: Floats) -> Floats:
    """Cross-validated correlation per column of `values`; complete cases only."""
    known = ~np.isnan(values).any(axis=1)
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 11)))
    folds = KFold(5, shuffle=True, random_state=0)
    predicted = cross_val_predict(model, features[known], values[known], cv=folds).reshape(values[known].shape)
    pairs = zip(predicted.T, values[known].T, strict=True)
    return np.array([np.corrcoef(one, other)[0, 1] for one, other in pairs])


def test_groups_hold_every_trait_once() -> None:
    assert sorted(place for group in TRAIT_GROUPS.values() for place in group) == list(range(len(TRAIT_FIELDS)))


@pytest.fixture(scope="module")
def ecg_matrix(ecg_table: dict[str, Floats]) -> Floats:
    return np.stack([ecg_table[name] for name in ECG_FEATURES], axis=1)


def test_what_an_ecg_carries(people: People, ecg_matrix: Floats) -> None:
    found = group_means(ridge_r(ecg_matrix, people.traits[:RECORDINGS]))
    assert 0.60 <= found["LVM"] <= 0.70
    # Sex alone gives .60 for LVEDV (see above), so the table's .50 to .60 is not to be had from an ECG that shows sex.
    assert 0.50 <= found["LVEDV"] <= 0.64
    assert 0.25 <= found["LVEF"] <= 0.36
    assert 0.25 <= found["Ecc global"] <= 0.36
    assert found["aortic area"] == pytest.approx(0.40, abs=0.07)
    assert found["distensibility"] == pytest.approx(0.35, abs=0.07)
    assert 0.25 <= found["all"] <= 0.41


def test_an_ecg_shows_sex_and_age(people: People, ecg_matrix: Floats) -> None:
    male = people.columns["male"][:RECORDINGS].astype(float)
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 11)))
    assert roc_auc_score(male, cross_val_predict(model, ecg_matrix, male, cv=5)) > 0.90
    age = people.columns["age_years"][:RECORDINGS, None]
    assert 0.4 < ridge_r(ecg_matrix, age)[0] < 0.7


def test_the_waveform_hides_no_channel(people: People, ecgs: list[Ecg]) -> None:
    """Whatever a linear model finds in the whole median beat must not be far more than in the features.

    A wave without noise of its own would give sex or mass away exactly; a network would find it at once.
    """
    beats = np.stack([ecg.median[list(INDEPENDENT_LEADS), ::4].ravel().astype(np.float64) for ecg in ecgs])
    scores = PCA(100, svd_solver="randomized", random_state=0).fit_transform(beats)
    found = group_means(ridge_r(scores, people.traits[:RECORDINGS]))
    assert found["all"] < 0.41
    assert found["LVM"] < 0.75
    male = people.columns["male"][:RECORDINGS, None].astype(float)
    assert ridge_r(scores, male)[0] < 0.85


def test_what_masks_carry(people: People) -> None:
    masks = np.stack([mask_features(state) for state in people.states[:RECORDINGS]])
    found = group_means(ridge_r(masks, people.traits[:RECORDINGS]))
    # The table's .50 to .65: these masks are exact contours, which a network on noisy pixels does not have.
    assert 0.50 <= found["all"] <= 0.65


def test_other_peoples_ecgs_carry_nothing(people: People, ecg_matrix: Floats) -> None:
    shuffled = np.random.default_rng(0).permutation(RECORDINGS)
    assert abs(group_means(ridge_r(ecg_matrix[shuffled], people.traits[:RECORDINGS]))["all"]) < 0.05
