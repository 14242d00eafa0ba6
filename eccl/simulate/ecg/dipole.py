"""The heart's dipole over one beat, as a sum of Gaussian waves, and what a heart's state does to them.

The templates are in :mod:`eccl.simulate.ecg.waves`, the sizes of all effects in :mod:`eccl.simulate.ecg.effects`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eccl.simulate.ecg import effects as fx
from eccl.simulate.ecg import waves as wv
from eccl.simulate.ecg.effects import Scores, latents_of, of, scores_of
from eccl.simulate.ecg.waves import QRS_ONSET_MS
from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.physiology import Floats
from eccl.simulate.heart.state import HeartState

__all__ = ["QRS_ONSET_MS", "Beat", "beat_of", "ectopic_beat", "evaluate", "premature_atrial_beat"]

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

    @property
    def qrs_onset_ms(self) -> float:
        return QRS_ONSET_MS

    @property
    def qrs_middle_ms(self) -> float:
        return QRS_ONSET_MS + 0.5 * self.qrs_ms


def beat_of(state: HeartState) -> Beat:
    """The dominant beat of a heart: intervals, P, QRS and T waves, scar and blocks."""
    z, latent = scores_of(state), latents_of(state)
    qrs_ms = _qrs_duration(state, z, latent)
    pr_ms, p_ms = _p_intervals(state, z, latent)
    qt_ms = _qt_interval(state, z, latent, qrs_ms)
    stretch = qt_ms / wv.TEMPLATE_QT_MS
    t_waves = wv.T_WAVES.copy()
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
        fragmentation=float(np.exp(fx.FRAGMENTATION_PER_DECADE * z.decade)),
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
        width = wv.LBBB_QRS_MS + z.sum_of(fx.QRS_LBBB_EFFECT) + fx.QRS_LBBB_NOISE * latent["qrs"]
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
    waves[:, 2] *= 1.0 + fx.LATERAL_PER_BMI * z.bmi
    axis = of(fx.AXIS_DEG, state) + z.sum_of(fx.AXIS_EFFECT) + fx.AXIS_NOISE * latent["axis"]
    if state.anterior_fascicular_block:
        axis = fx.FASCICULAR_AXIS_DEG + fx.FASCICULAR_AXIS_NOISE * latent["axis"]
    limit = fx.AXIS_LIMITS_DEG
    frontal = float(np.clip(axis - wv.TEMPLATE_AXIS_DEG, -limit - 25.0, limit))
    return wv.turn(waves, frontal, fx.HORIZONTAL_NOISE_DEG * latent["horizontal"])


def _normal_or_blocked_waves(state: HeartState, z: Scores, latent: Latents, qrs_ms: float) -> tuple[Floats, float]:
    """QRS waves before gain and rotation, and how much longer than their template they last."""
    if state.conduction == "lbbb":
        return wv.LBBB_WAVES.copy(), qrs_ms / wv.LBBB_QRS_MS
    waves, own_ms = wv.QRS_WAVES.copy(), qrs_ms
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
        waves = np.concatenate([waves, wv.RBBB_WAVE])
    elif state.incomplete_rbbb:
        own_ms = qrs_ms - fx.QRS_INCOMPLETE_RBBB_MS
        waves = np.concatenate([waves, wv.INCOMPLETE_RBBB_WAVE])
    return waves, own_ms / wv.TEMPLATE_QRS_MS


def _t_vector(state: HeartState, z: Scores, latent: Latents) -> Floats:
    if state.conduction == "lbbb":
        return wv.LBBB_T_VECTOR.copy()
    if state.hypertrophic and latent["horizontal"] > fx.HYPERTROPHIC_INVERSION_SHARE_Z:
        return np.array(fx.T_HYPERTROPHIC_MV)
    vector = (wv.T_VECTOR_MEN if state.male else wv.T_VECTOR_WOMEN).copy()
    vector *= np.exp(fx.T_LOG_NOISE * latent["t_gain"] + z.sum_of(fx.T_LOG_EFFECT))
    for name, weight in fx.T_LATERAL_POSITIVE.items():
        vector[0] += weight * max(float(getattr(z, name)), 0.0)
    if state.conduction == "rbbb":
        vector[2] += fx.T_RBBB_MV
    if state.lv_ef < ph.WEAK_EF:
        vector *= fx.T_WEAK_HEART
    # QRS turns to the left with age and weight and T does not: what grows is the angle between them.
    frontal = z.sum_of(fx.T_ANGLE_EFFECT) + fx.T_ANGLE_NOISE_DEG * latent["t_axis"]
    frontal += fx.T_FOLLOWS_AXIS * fx.AXIS_NOISE * latent["axis"]
    return wv.turn(vector, frontal, fx.T_HORIZONTAL_NOISE_DEG * latent["t_horizontal"])


def _p_waves(z: Scores, latent: Latents, pr_ms: float, p_ms: float) -> Floats:
    waves = wv.P_WAVES.copy()
    waves[:, 2:] += fx.P_LOBE_NOISE_MV * np.array([[latent[f"p_{axis}{i}"] for axis in "xyz"] for i in range(2)])
    waves[1, 2:] += np.array(fx.P_LEFT_PER_LA_MV) * max(z.la, 0.0)
    waves[1, 2:] *= 1.0 + fx.P_LEFT_PER_CONCENTRICITY * z.concentricity
    waves[:, 2:] *= np.exp(z.sum_of(fx.P_LOG_EFFECT) + fx.P_LOG_NOISE * latent["p_gain"])
    waves = wv.turn(waves, z.sum_of(fx.P_AXIS_EFFECT) + fx.P_AXIS_NOISE_DEG * latent["p_axis"], 0.0)
    onset = QRS_ONSET_MS - wv.TEMPLATE_PR_MS
    scale = p_ms / wv.TEMPLATE_P_MS
    waves[:, 0] = QRS_ONSET_MS - pr_ms + (waves[:, 0] - onset) * scale
    waves[:, 1] *= scale
    return waves


def _scar_waves(state: HeartState, qrs_ms: float, stretch: float) -> list[Floats]:
    hit = np.flatnonzero(state.scar > fx.SMALLEST_SCAR)
    if hit.size == 0:
        return []
    share, normal = state.scar[hit, None], wv.SEGMENT_NORMAL[hit]
    time = QRS_ONSET_MS + (wv.SCAR_TIME_MS[hit, None] - QRS_ONSET_MS) * min(qrs_ms / wv.TEMPLATE_QRS_MS, 1.4)
    late = np.full_like(time, QRS_ONSET_MS + (fx.SCAR_T_TIME_MS - QRS_ONSET_MS) * stretch)
    width = np.ones_like(time)
    return [
        np.concatenate([time, fx.SCAR_WIDTH_MS * width, -fx.SCAR_QRS_MV * share * normal], axis=1),
        np.concatenate([late, fx.SCAR_T_WIDTH_MS * stretch * width, -fx.SCAR_T_MV * share * normal], axis=1),
    ]


def ectopic_beat(beat: Beat) -> Beat:
    """A ventricular premature beat: broad, without P, T against QRS."""
    waves = wv.LBBB_WAVES.copy()
    waves[:, 2:] *= 1.3
    waves = np.concatenate([wv.turn(waves, 40.0, 0.0), wv.PVC_T_WAVE])
    return replace(
        beat,
        waves=waves,
        qrs_ms=wv.PVC_QRS_MS,
        qt_ms=wv.PVC_QT_MS,
        t_peak_ms=float(wv.PVC_T_WAVE[0, 0]),
        has_p=False,
    )


def premature_atrial_beat(beat: Beat) -> Beat:
    """An atrial premature beat: the same QRS after a P wave of another direction, and half hidden in the last T."""
    if not beat.has_p:
        return beat
    waves = beat.waves.copy()
    waves[-2:] = wv.turn(waves[-2:], -70.0, 20.0)  # the P waves come last
    waves[-2:, 2:] *= 0.7
    return replace(beat, waves=waves)


def evaluate(beat: Beat, time_ms: Floats) -> Floats:
    """Dipole (n, 3), mV, at times from the R peak."""
    shape = np.exp(-0.5 * ((time_ms[:, None] - beat.waves[:, 0]) / beat.waves[:, 1]) ** 2)
    return np.asarray(shape @ beat.waves[:, 2:])
