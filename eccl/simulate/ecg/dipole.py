"""The heart's dipole over one beat, as a sum of Gaussian waves, and what a heart's state does to them.

Times are ms from the R peak, amplitudes mV along Frank x (left), y (inferior), z (posterior). The templates below were
fitted to normal 12-lead amplitudes of 64-year-olds through Dower's matrix [C]; their rows are mu, sigma, x, y, z of one
Gaussian. The sizes of all effects are in :mod:`eccl.simulate.ecg.effects`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eccl.simulate.ecg import effects as fx
from eccl.simulate.ecg.effects import Scores, latents_of, of, scores_of
from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.physiology import Floats
from eccl.simulate.heart.state import HeartState

# QRS 90 ms, PR 163 ms, QT 372 ms, P 100 ms.
P_WAVES = np.array([[-172, 16, 0.060, 0.075, -0.070], [-134, 18, 0.110, 0.045, 0.000]])
QRS_WAVES = np.array(
    [
        [-24, 8.0, 0.06, 0.16, -0.33],  # septal q
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

# Left bundle branch block: QRS about 150 ms, discordant T. Right: a late terminal force; incomplete: a third of it.
LBBB_WAVES = np.array(
    [
        [-30, 13, 0.10, 0.02, 0.10],
        [-5, 15, 0.55, 0.30, 0.65],
        [25, 17, 0.60, 0.20, 0.75],
        [55, 17, 0.60, 0.05, 0.60],
        [85, 14, 0.15, -0.05, 0.10],
    ]
)
LBBB_T_VECTOR, LBBB_QRS_MS = -np.array([0.30, 0.06, 0.40]), 150.0
RBBB_WAVE = np.array([[60, 14, -0.35, 0.0, -0.55]])
INCOMPLETE_RBBB_WAVE = np.array([[48, 10, -0.14, 0.0, -0.22]])
# Premature beats from a ventricle: broad, without P, T against QRS.
PVC_T_WAVE = np.array([[270.0, 55.0, -0.40, -0.30, -0.45]])
PVC_QRS_MS, PVC_QT_MS = 150.0, 430.0

# A scarred segment's dipole is missing from the activation front; times relative to R, AHA 1 to 16 [C].
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


def turn(waves: Floats, frontal_deg: float, horizontal_deg: float) -> Floats:
    """Rotate waves in the frontal (x, y) and then the horizontal (x, z) plane; the vector is the last three columns."""
    out = waves.copy()
    for first, second, angle in ((-3, -2, frontal_deg), (-3, -1, horizontal_deg)):
        cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        a, b = out[..., first].copy(), out[..., second].copy()
        out[..., first], out[..., second] = cos * a - sin * b, sin * a + cos * b
    return out


Latents = dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Beat:
    """One beat's waves (k, 5): mu, sigma, x, y, z; and the marks an electrocardiograph would report, ms from R.

    `fragmentation` scales the part of the beat that is not a dipole.
    """

    waves: Floats
    pr_ms: float
    p_ms: float
    qrs_ms: float
    qt_ms: float
    t_peak_ms: float
    has_p: bool
    fragmentation: float


def beat_of(state: HeartState) -> Beat:
    """The dominant beat of a heart: intervals, P, QRS and T waves, scar and blocks."""
    z, latent = scores_of(state), latents_of(state)
    qrs_ms = _qrs_duration(state, z, latent)
    pr_ms, p_ms = _p_intervals(state, z, latent)
    qt_ms = _qt_interval(state, z, latent, qrs_ms)
    stretch = qt_ms / TEMPLATE_QT_MS
    t_waves = T_WAVES.copy()
    t_waves[:, 0] = QRS_ONSET_MS + (t_waves[:, 0] - QRS_ONSET_MS) * stretch
    t_waves[:, 1] *= stretch
    t_vector = _t_vector(state, z, latent)
    t_waves[:, 2:] *= t_vector
    step_mv = of(fx.J_POINT_MV, state) + fx.J_POINT_NOISE_MV * latent["st"]
    step = step_mv * t_vector / max(float(np.linalg.norm(t_vector)), 1e-6)
    step = step + np.array(fx.ANEURYSM_ST_MV) * state.aneurysm
    st_wave = np.array([[QRS_ONSET_MS + qrs_ms + 55.0, 30.0, *step]])
    waves = [_qrs_waves(state, z, latent, qrs_ms), t_waves, st_wave, *_scar_waves(state, qrs_ms, stretch)]
    if not state.atrial_fibrillation:
        waves.append(_p_waves(z, latent, pr_ms, p_ms))
    return Beat(
        waves=np.concatenate(waves),
        pr_ms=pr_ms,
        p_ms=p_ms,
        qrs_ms=qrs_ms,
        qt_ms=qt_ms,
        t_peak_ms=float(t_waves[1, 0]),
        has_p=not state.atrial_fibrillation,
        fragmentation=float(np.exp(fx.FRAGMENTATION_PER_DECADE * z["decade"])),
    )


def _p_intervals(state: HeartState, z: Scores, latent: Latents) -> tuple[float, float]:
    """PR interval and P duration, ms."""
    p_ms = of(fx.P_MS, state) + z.sum_of(fx.P_EFFECT) + fx.P_NOISE * latent["p_duration"]
    p_ms = float(np.clip(p_ms, *fx.P_LIMITS_MS))
    pr_ms = of(fx.PR_MS, state) + z.sum_of(fx.PR_EFFECT) + fx.PR_NOISE * latent["pr"]
    pr_ms += fx.AV_BLOCK_MS if state.av_block else 0.0
    shortest, longest = fx.PR_LIMITS_MS
    return float(np.clip(pr_ms, max(p_ms + fx.SHORTEST_PQ_MS, shortest), longest)), p_ms


def _qt_interval(state: HeartState, z: Scores, latent: Latents, qrs_ms: float) -> float:
    qtc = of(fx.QTC_MS, state) + z.sum_of(fx.QTC_EFFECT) + fx.QTC_NOISE * latent["qt"]
    qtc += fx.QTC_PER_QRS_MS * max(qrs_ms - 110.0, 0.0)
    return float(qtc * (60.0 / state.heart_rate) ** (1.0 / 3.0))  # Fridericia


def _qrs_duration(state: HeartState, z: Scores, latent: Latents) -> float:
    if state.conduction == "lbbb":
        width = LBBB_QRS_MS + z.sum_of(fx.QRS_LBBB_EFFECT) + fx.QRS_LBBB_NOISE * latent["qrs"]
        return float(np.clip(width, *fx.QRS_LBBB_LIMITS_MS))
    width = of(fx.QRS_MS, state) + z.sum_of(fx.QRS_EFFECT) + of(fx.QRS_NOISE, state) * latent["qrs"]
    width += fx.QRS_WEAK_HEART_MS if state.lv_ef < ph.WEAK_EF else 0.0
    if state.conduction == "rbbb":
        width = max(width + fx.QRS_RBBB_MS, 122.0)
    if state.incomplete_rbbb:
        width = min(width + fx.QRS_INCOMPLETE_RBBB_MS, 119.0)
    return float(np.clip(width, *fx.QRS_LIMITS_MS))


def _qrs_waves(state: HeartState, z: Scores, latent: Latents, qrs_ms: float) -> Floats:
    waves, stretch = _normal_or_blocked_waves(state, z, latent, qrs_ms)
    waves[:, 0] = QRS_ONSET_MS + (waves[:, 0] - QRS_ONSET_MS) * stretch
    waves[:, 1] *= stretch
    log_gain = of(fx.LOG_GAIN, state) + z.sum_of(fx.GAIN_EFFECT) + fx.GAIN_NOISE * latent["gain"]
    waves[:, 2:] *= np.exp(log_gain + (fx.GAIN_HYPERTROPHIC if state.hypertrophic else 0.0))
    waves[:, 2] *= 1.0 + fx.LATERAL_PER_BMI * z["bmi"]
    axis = of(fx.AXIS_DEG, state) + z.sum_of(fx.AXIS_EFFECT) + fx.AXIS_NOISE * latent["axis"]
    if state.anterior_fascicular_block:
        axis = fx.FASCICULAR_AXIS_DEG + fx.FASCICULAR_AXIS_NOISE * latent["axis"]
    limit = fx.AXIS_LIMITS_DEG
    frontal = float(np.clip(axis - TEMPLATE_AXIS_DEG, -limit - 25.0, limit))
    return turn(waves, frontal, fx.HORIZONTAL_NOISE_DEG * latent["horizontal"])


def _normal_or_blocked_waves(state: HeartState, z: Scores, latent: Latents, qrs_ms: float) -> tuple[Floats, float]:
    """QRS waves before gain and rotation, and how much longer than their template they last."""
    if state.conduction == "lbbb":
        return LBBB_WAVES.copy(), qrs_ms / LBBB_QRS_MS
    waves, own_ms = QRS_WAVES.copy(), qrs_ms
    own = np.array([[latent[f"wave_{axis}{i}"] for axis in "xyz"] for i in range(5)])
    size = np.array([latent[f"wave_size{i}"] for i in range(5)])
    waves[:, 2:] = waves[:, 2:] * np.exp(fx.WAVE_NOISE_LOG * size)[:, None] + fx.WAVE_NOISE_MV * own
    waves[1:3, 4] += z.sum_of(fx.R_POSTERIOR_EFFECT)
    waves[1:3, 2] += z.sum_of(fx.LATERAL_EFFECT)
    waves[:4, 4] += z.sum_of(fx.ALL_POSTERIOR_EFFECT)
    waves[4, 2] += z.sum_of(fx.RIGHT_TERMINAL_EFFECT)
    if state.hypertrophic:
        waves[0, 2:] *= fx.SEPTAL_Q_HYPERTROPHIC
    if state.conduction == "rbbb":
        own_ms = qrs_ms - fx.QRS_RBBB_MS
        waves = np.concatenate([waves, RBBB_WAVE])
    elif state.incomplete_rbbb:
        own_ms = qrs_ms - fx.QRS_INCOMPLETE_RBBB_MS
        waves = np.concatenate([waves, INCOMPLETE_RBBB_WAVE])
    return waves, own_ms / TEMPLATE_QRS_MS


def _t_vector(state: HeartState, z: Scores, latent: Latents) -> Floats:
    if state.conduction == "lbbb":
        return LBBB_T_VECTOR.copy()
    if state.hypertrophic and latent["horizontal"] > fx.HYPERTROPHIC_INVERSION_SHARE_Z:
        return np.array(fx.T_HYPERTROPHIC_MV)
    vector = (T_VECTOR_MEN if state.male else T_VECTOR_WOMEN).copy()
    vector *= np.exp(fx.T_LOG_NOISE * latent["t_gain"] + z.sum_of(fx.T_LOG_EFFECT))
    for name, weight in fx.T_LATERAL_POSITIVE.items():
        vector[0] += weight * max(z[name], 0.0)
    if state.conduction == "rbbb":
        vector[2] += fx.T_RBBB_MV
    if state.lv_ef < ph.WEAK_EF:
        vector *= fx.T_WEAK_HEART
    # QRS turns to the left with age and weight and T does not: what grows is the angle between them.
    frontal = z.sum_of(fx.T_ANGLE_EFFECT) + fx.T_ANGLE_NOISE_DEG * latent["t_axis"]
    frontal += fx.T_FOLLOWS_AXIS * fx.AXIS_NOISE * latent["axis"]
    return turn(vector, frontal, fx.T_HORIZONTAL_NOISE_DEG * latent["t_horizontal"])


def _p_waves(z: Scores, latent: Latents, pr_ms: float, p_ms: float) -> Floats:
    waves = P_WAVES.copy()
    waves[:, 2:] += fx.P_LOBE_NOISE_MV * np.array([[latent[f"p_{axis}{i}"] for axis in "xyz"] for i in range(2)])
    waves[1, 2:] += np.array(fx.P_LEFT_PER_LA_MV) * max(z["la"], 0.0)
    waves[1, 2:] *= 1.0 + fx.P_LEFT_PER_CONCENTRICITY * z["concentricity"]
    waves[:, 2:] *= np.exp(z.sum_of(fx.P_LOG_EFFECT) + fx.P_LOG_NOISE * latent["p_gain"])
    waves = turn(waves, z.sum_of(fx.P_AXIS_EFFECT) + fx.P_AXIS_NOISE_DEG * latent["p_axis"], 0.0)
    onset = QRS_ONSET_MS - TEMPLATE_PR_MS
    scale = p_ms / TEMPLATE_P_MS
    waves[:, 0] = QRS_ONSET_MS - pr_ms + (waves[:, 0] - onset) * scale
    waves[:, 1] *= scale
    return waves


def _scar_waves(state: HeartState, qrs_ms: float, stretch: float) -> list[Floats]:
    hit = np.flatnonzero(state.scar > fx.SMALLEST_SCAR)
    if hit.size == 0:
        return []
    share, normal = state.scar[hit, None], SEGMENT_NORMAL[hit]
    time = QRS_ONSET_MS + (SCAR_TIME_MS[hit, None] - QRS_ONSET_MS) * min(qrs_ms / TEMPLATE_QRS_MS, 1.4)
    late = np.full_like(time, QRS_ONSET_MS + (fx.SCAR_T_TIME_MS - QRS_ONSET_MS) * stretch)
    width = np.ones_like(time)
    return [
        np.concatenate([time, fx.SCAR_WIDTH_MS * width, -fx.SCAR_QRS_MV * share * normal], axis=1),
        np.concatenate([late, fx.SCAR_T_WIDTH_MS * stretch * width, -fx.SCAR_T_MV * share * normal], axis=1),
    ]


def ectopic_beat(beat: Beat) -> Beat:
    """A ventricular premature beat: broad, without P, T against QRS."""
    waves = LBBB_WAVES.copy()
    waves[:, 2:] *= 1.3
    waves = np.concatenate([turn(waves, 40.0, 0.0), PVC_T_WAVE])
    return replace(
        beat,
        waves=waves,
        qrs_ms=PVC_QRS_MS,
        qt_ms=PVC_QT_MS,
        t_peak_ms=float(PVC_T_WAVE[0, 0]),
        has_p=False,
    )


def premature_atrial_beat(beat: Beat) -> Beat:
    """An atrial premature beat: the same QRS after a P wave of another direction, and half hidden in the last T."""
    if not beat.has_p:
        return beat
    waves = beat.waves.copy()
    waves[-2:] = turn(waves[-2:], -70.0, 20.0)  # the P waves come last
    waves[-2:, 2:] *= 0.7
    return replace(beat, waves=waves)


def evaluate(beat: Beat, time_ms: Floats) -> Floats:
    """Dipole (n, 3), mV, at times from the R peak."""
    shape = np.exp(-0.5 * ((time_ms[:, None] - beat.waves[:, 0]) / beat.waves[:, 1]) ** 2)
    return np.asarray(shape @ beat.waves[:, 2:])
