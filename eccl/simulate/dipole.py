"""The heart's dipole over one beat, as a sum of Gaussian waves, and what a heart's state does to them.

Times are ms from the R peak, amplitudes mV along Frank x (left), y (inferior), z (posterior). Effects are in standard
deviations within sex; their sizes are proposals calibrated to published links between CMR and ECG.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eccl.simulate import physiology as ph
from eccl.simulate.heart import ELECTRICAL_LATENTS, HeartState
from eccl.simulate.physiology import Floats

# mu, sigma, x, y, z: fitted to normal 12-lead amplitudes; QRS 90 ms, PR 163 ms, QT 372 ms, P 100 ms [C].
P_WAVES = np.array([[-172, 16, 0.060, 0.075, -0.070], [-134, 18, 0.110, 0.045, 0.000]])
QRS_WAVES = np.array(
    [
        [-24, 8.0, 0.06, 0.16, -0.33],
        [-8, 8.5, 0.95, 0.50, 0.30],
        [5, 8.5, 0.59, 0.00, -0.06],
        [19, 8.5, 0.15, 0.02, 0.75],
        [33, 8.0, -0.20, -0.03, 0.16],
    ]
)
T_WAVES = np.array([[215, 55, 0.42, 0.42, 0.42], [262, 30, 0.58, 0.58, 0.58]])
T_VECTOR_MEN = np.array([0.42, 0.15, -0.23])
T_VECTOR_WOMEN = np.array([0.315, 0.1125, -0.13])
QRS_ONSET_MS, TEMPLATE_QRS_MS, TEMPLATE_QT_MS, TEMPLATE_PR_MS, TEMPLATE_P_MS = -41.0, 90.0, 372.0, 163.0, 100.0
TEMPLATE_AXIS_DEG = 33.0

# Left bundle branch block: QRS about 150 ms, discordant T. Right: a late terminal force [C].
LBBB_WAVES = np.array(
    [
        [-30, 13, 0.10, 0.02, 0.10],
        [-5, 15, 0.55, 0.30, 0.65],
        [25, 17, 0.60, 0.20, 0.75],
        [55, 17, 0.60, 0.05, 0.60],
        [85, 14, 0.15, -0.05, 0.10],
    ]
)
LBBB_T_VECTOR = -np.array([0.30, 0.06, 0.40])
RBBB_WAVE = np.array([[60, 14, -0.35, 0.0, -0.55]])

# Normal ranges at 64 years [M].
PR_MS, P_MS = ph.BySex(166.0, 158.0), ph.BySex(112.0, 107.0)
QRS_MS, QTC_MS = ph.BySex(95.0, 86.0), ph.BySex(408.0, 418.0)
AXIS_DEG = ph.BySex(22.0, 34.0)
LOG_GAIN = ph.BySex(0.0, -0.12)

# A scarred segment's dipole is missing from the activation front; times relative to R, amplitudes mV [C].
SCAR_QRS_MV, SCAR_T_MV = 0.25, 0.10
SCAR_TIME_MS = np.array([12, 0, 0, 2, 22, 20, 0, -18, -18, -6, 8, 8, -14, -20, -14, -10], dtype=np.float64)
_LONG_AXIS, _SEPTAL, _ANTERIOR = (
    np.array(v) / np.linalg.norm(v) for v in ((0.61, 0.50, -0.61), (-0.75, 0.11, -0.66), (0.27, -0.86, -0.44))
)
_TILT = np.array([-0.35] * 6 + [0.15] * 6 + [0.80] * 4)


def _segment_normals() -> Floats:
    angle = np.deg2rad(ph.SEGMENT_ANGLE_DEG)[:, None]
    normal = np.cos(angle) * _ANTERIOR + np.sin(angle) * _SEPTAL + _TILT[:, None] * _LONG_AXIS
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))


SEGMENT_NORMAL = _segment_normals()


@dataclass(frozen=True, slots=True, eq=False)
class Beat:
    """One beat's waves (k, 5): mu, sigma, x, y, z; and the marks an electrocardiograph would report, ms from R."""

    waves: Floats
    pr_ms: float
    p_ms: float
    qrs_ms: float
    qt_ms: float
    t_peak_ms: float
    has_p: bool

    @property
    def qrs_onset_ms(self) -> float:
        return QRS_ONSET_MS

    @property
    def qrs_middle_ms(self) -> float:
        return QRS_ONSET_MS + 0.5 * self.qrs_ms


@dataclass(frozen=True, slots=True)
class Scores:
    """A state in standard deviations within sex: what the effects below multiply."""

    mass: float
    edv: float
    ef: float
    la: float
    la_ef: float
    rv: float
    bmi: float
    sbp: float
    decade: float


def scores_of(state: HeartState) -> Scores:
    """Standard scores of a state; bounded, so that one extreme value cannot make an impossible ECG."""

    def clip(value: float) -> float:
        return float(np.clip(value, -3.0, 3.0))

    def of(pair: ph.BySex) -> float:
        return pair.male if state.male else pair.female

    return Scores(
        mass=clip(np.log(state.lv_mass / of(ph.LV_MASS_G)) / 0.20),
        edv=clip(np.log(state.lv_edv / of(ph.LV_EDV_ML)) / 0.19),
        ef=clip((state.lv_ef - of(ph.LV_EF)) / 0.056),
        la=clip(np.log(state.la_max / of(ph.LA_MAX_ML)) / 0.31),
        la_ef=clip((1.0 - state.la_min / state.la_max - of(ph.LA_EF)) / 0.087),
        rv=clip(np.log(state.rv_edv / (175.0 if state.male else 130.0)) / 0.20),
        bmi=clip((state.bmi - of(ph.BMI)) / of(ph.BMI_SD)),
        sbp=clip((state.sbp - ph.SBP_MMHG) / 19.3),
        decade=float(ph.decades_from_64(state.age_years)),
    )


def beat_of(state: HeartState) -> Beat:
    """The dominant beat of a heart: intervals, P, QRS and T waves, scar and blocks."""
    z, latent = scores_of(state), dict(zip(ELECTRICAL_LATENTS, state.electrical.tolist(), strict=True))
    qrs_ms = _qrs_duration(state, z, latent)
    pr_ms = _of(PR_MS, state) + 3.0 * z.decade - 3.0 * z.la_ef + 22.0 * latent["pr"]
    p_ms = _of(P_MS, state) + 2.0 * z.decade + 3.5 * z.la + 1.5 * z.bmi - 1.0 * z.la_ef + 9.0 * latent["p_duration"]
    p_ms = float(np.clip(p_ms, 75.0, 160.0))
    pr_ms = float(np.clip(pr_ms, p_ms + 12.0, 320.0))
    qtc = _of(QTC_MS, state) + 3.0 * z.decade - 3.0 * z.ef + 15.0 * latent["qt"] + 0.6 * max(qrs_ms - 110.0, 0.0)
    qt_ms = float(qtc * (60.0 / state.heart_rate) ** (1.0 / 3.0))
    log_gain = _of(LOG_GAIN, state) + 0.09 * z.mass + 0.04 * state.concentricity - 0.07 * z.bmi + 0.04 * z.sbp
    gain = float(np.exp(log_gain + 0.20 * latent["gain"] + (0.20 if state.hypertrophic else 0.0)))
    qrs, t_vector = _qrs_waves(state, z, latent, qrs_ms, gain), _t_vector(state, z, latent)
    stretch = qt_ms / TEMPLATE_QT_MS
    t_waves = T_WAVES.copy()
    t_waves[:, 0] = QRS_ONSET_MS + (T_WAVES[:, 0] - QRS_ONSET_MS) * stretch
    t_waves[:, 1] *= stretch
    t_waves[:, 2:] *= t_vector
    step = (0.05 if state.male else 0.03) * t_vector / max(float(np.linalg.norm(t_vector)), 1e-6)
    st_wave = np.array([[QRS_ONSET_MS + qrs_ms + 55.0, 30.0, *step]])
    waves = [qrs, t_waves, st_wave, *_scar_waves(state, qrs_ms, stretch)]
    if not state.atrial_fibrillation:
        waves.append(_p_waves(z, pr_ms, p_ms))
    return Beat(
        waves=np.concatenate(waves),
        pr_ms=pr_ms,
        p_ms=p_ms,
        qrs_ms=qrs_ms,
        qt_ms=qt_ms,
        t_peak_ms=float(t_waves[1, 0]),
        has_p=not state.atrial_fibrillation,
    )


def _of(pair: ph.BySex, state: HeartState) -> float:
    return pair.male if state.male else pair.female


def _qrs_duration(state: HeartState, z: Scores, latent: dict[str, float]) -> float:
    if state.conduction == "lbbb":
        return float(np.clip(150.0 + 8.0 * latent["qrs"] + 2.5 * z.edv, 124.0, 190.0))
    width = _of(QRS_MS, state) + 2.2 * z.mass + 2.5 * z.edv - 1.5 * z.ef + 1.0 * z.decade + 6.0 * latent["qrs"]
    width += 14.0 if state.lv_ef < 0.40 else 0.0
    if state.conduction == "rbbb":
        width = max(width + 32.0, 122.0)
    return float(np.clip(width, 66.0, 190.0))


def _qrs_waves(state: HeartState, z: Scores, latent: dict[str, float], qrs_ms: float, gain: float) -> Floats:
    if state.conduction == "lbbb":
        waves = LBBB_WAVES.copy()
        stretch = qrs_ms / 150.0
    else:
        waves = QRS_WAVES.copy()
        own = qrs_ms - (32.0 if state.conduction == "rbbb" else 0.0)
        stretch = own / TEMPLATE_QRS_MS
        # Weak hearts lose R in V2-V3, large right ventricles pull forwards, heavy left ones backwards.
        waves[1:3, 4] += -0.04 * z.ef + 0.03 * z.mass
        waves[:4, 4] -= 0.05 * z.rv
        waves[0, 2:] *= 2.0 if state.hypertrophic else 1.0
        if state.conduction == "rbbb":
            waves = np.concatenate([waves, RBBB_WAVE])
    waves[:, 0] = QRS_ONSET_MS + (waves[:, 0] - QRS_ONSET_MS) * stretch
    waves[:, 1] *= stretch
    waves[:, 2:] *= gain
    axis = _of(AXIS_DEG, state) - 5.0 * z.decade - 8.0 * z.bmi + 5.0 * z.rv + 25.0 * latent["axis"]
    return _turn(waves, np.clip(axis - TEMPLATE_AXIS_DEG, -85.0, 85.0), 9.0 * latent["horizontal"])


def _turn(waves: Floats, frontal_deg: float, horizontal_deg: float) -> Floats:
    """Rotate waves in the frontal (x, y) and then the horizontal (x, z) plane."""
    out = waves.copy()
    for first, second, angle in ((2, 3, frontal_deg), (2, 4, horizontal_deg)):
        cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        a, b = out[:, first].copy(), out[:, second].copy()
        out[:, first], out[:, second] = cos * a - sin * b, sin * a + cos * b
    return out


def _t_vector(state: HeartState, z: Scores, latent: dict[str, float]) -> Floats:
    if state.conduction == "lbbb":
        return LBBB_T_VECTOR.copy()
    vector = (T_VECTOR_MEN if state.male else T_VECTOR_WOMEN).copy()
    vector *= np.exp(0.22 * latent["t_gain"] - 0.05 * z.mass + 0.06 * z.ef - 0.06 * z.decade)
    vector[0] -= 0.04 * max(state.concentricity, 0.0) + 0.02 * max(z.sbp, 0.0)
    if state.conduction == "rbbb":
        vector[2] += 0.15
    if state.lv_ef < 0.40:
        vector *= 0.35
    if state.hypertrophic and latent["horizontal"] > -0.13:  # about 55 % have deep lateral inversion [P]
        vector = np.array([-0.45, -0.05, 0.25])
    angle = np.deg2rad(10.0 * latent["axis"] * 0.5)
    x, y = vector[0], vector[1]
    vector[0], vector[1] = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
    return vector


def _p_waves(z: Scores, pr_ms: float, p_ms: float) -> Floats:
    waves = P_WAVES.copy()
    waves[1, 2:] += np.array([0.01, 0.005, 0.0175]) * max(z.la, 0.0)
    waves[:, 2:] *= 1.0 + 0.06 * np.clip(z.la_ef, -3.0, 2.0)
    onset = QRS_ONSET_MS - TEMPLATE_PR_MS
    scale = p_ms / TEMPLATE_P_MS
    waves[:, 0] = QRS_ONSET_MS - pr_ms + (waves[:, 0] - onset) * scale
    waves[:, 1] *= scale
    return waves


def _scar_waves(state: HeartState, qrs_ms: float, stretch: float) -> list[Floats]:
    hit = np.flatnonzero(state.scar > 0.02)
    if hit.size == 0:
        return []
    share, normal = state.scar[hit, None], SEGMENT_NORMAL[hit]
    time = QRS_ONSET_MS + (SCAR_TIME_MS[hit, None] - QRS_ONSET_MS) * min(qrs_ms / TEMPLATE_QRS_MS, 1.4)
    late = np.full_like(time, QRS_ONSET_MS + (255.0 - QRS_ONSET_MS) * stretch)
    width = np.ones_like(time)
    return [
        np.concatenate([time, 12.0 * width, -SCAR_QRS_MV * share * normal], axis=1),
        np.concatenate([late, 38.0 * stretch * width, -SCAR_T_MV * share * normal], axis=1),
    ]


def ectopic_beat(beat: Beat) -> Beat:
    """A ventricular premature beat: broad, without P, T against QRS."""
    waves = LBBB_WAVES.copy()
    waves[:, 2:] *= 1.3
    waves = _turn(waves, 40.0, 0.0)
    t_wave = np.array([[270.0, 55.0, -0.40, -0.30, -0.45]])
    return replace(beat, waves=np.concatenate([waves, t_wave]), qrs_ms=150.0, qt_ms=430.0, t_peak_ms=270.0, has_p=False)


def evaluate(beat: Beat, time_ms: Floats) -> Floats:
    """Dipole (n, 3), mV, at times from the R peak."""
    shape = np.exp(-0.5 * ((time_ms[:, None] - beat.waves[:, 0]) / beat.waves[:, 1]) ** 2)
    return np.asarray(shape @ beat.waves[:, 2:])
