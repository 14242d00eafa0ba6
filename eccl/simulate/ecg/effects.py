"""How strongly the state of a heart acts on its ECG: every effect one named number, in units of standard deviations.

The sizes are proposals [P] from published links between CMR and ECG (docs/explanation/simulator.md), damped where a ridge
regression on ECG features would otherwise predict a trait better than published models do. Constants that end in _NOISE
are standard deviations of what an ECG shows and no heart's shape explains: chest, conduction, autonomic tone. They are
what keeps the ECG from being a readout of the state.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.state import ELECTRICAL_LATENTS, HeartState

Effect = Mapping[str, float]

# Normal ranges at 64 years: means [M], effects per SD within sex (decade: per ten years).
PR_MS, PR_EFFECT, PR_NOISE = ph.BySex(165.0, 157.0), {"decade": 5.0, "la_ef": -3.0, "stiffness": 2.0}, 21.0
PR_LIMITS_MS, AV_BLOCK_MS = (110.0, 340.0), 50.0  # first degree block: beyond what the node does anyway [M]
P_MS, P_NOISE = ph.BySex(112.0, 107.0), 10.5
P_EFFECT = {"decade": 3.0, "la": 1.9, "ra": 0.8, "bmi": 1.5, "la_ef": -1.5, "concentricity": 0.8}
P_LIMITS_MS, SHORTEST_PQ_MS = (72.0, 165.0), 12.0
QRS_MS, QRS_LIMITS_MS = ph.BySex(94.0, 85.5), (66.0, 190.0)
QRS_EFFECT, QRS_NOISE = {"mass": 1.4, "edv": 0.6, "ef": -1.0, "length": 0.6, "decade": 1.0}, ph.BySex(9.0, 7.0)
QRS_WEAK_HEART_MS, QRS_RBBB_MS, QRS_INCOMPLETE_RBBB_MS = 14.0, 32.0, 12.0
QRS_LBBB_EFFECT, QRS_LBBB_NOISE, QRS_LBBB_LIMITS_MS = {"edv": 2.5, "mass": 2.0, "length": 2.5}, 8.0, (124.0, 190.0)
QTC_MS, QTC_EFFECT, QTC_NOISE = ph.BySex(407.0, 417.0), {"decade": 4.0, "ef": -1.6, "stiffness": 2.5}, 15.0
QTC_PER_QRS_MS = 0.6  # beyond 110 ms
AXIS_DEG, AXIS_EFFECT, AXIS_NOISE = ph.BySex(31.0, 37.0), {"decade": -5.0, "bmi": -8.0, "rv": 3.0, "aorta": -3.5}, 13.0
AXIS_LIMITS_DEG, FASCICULAR_AXIS_DEG, FASCICULAR_AXIS_NOISE = 85.0, -55.0, 8.0  # [M] left anterior fascicular block

# Logarithm of the QRS gain; women's voltage is lower at the same mass.
LOG_GAIN, GAIN_NOISE = ph.BySex(0.03, -0.07), 0.185
GAIN_EFFECT = {"mass": 0.145, "concentricity": 0.03, "bmi": -0.11, "sbp": 0.03, "stiffness": 0.03}
GAIN_HYPERTROPHIC = 0.22
LATERAL_PER_BMI = -0.03  # fat over the apex: V4 to V6 lose most
# Posterior part of R (z, mV): weak hearts lose R in V2-V3, heavy ones turn backwards, large right ones forwards.
R_POSTERIOR_EFFECT, ALL_POSTERIOR_EFFECT = {"ef": -0.015, "mass": 0.02, "aorta": 0.03}, {"rv": -0.03}
LATERAL_EFFECT = {"edv": -0.01}  # x of R, mV
RIGHT_TERMINAL_EFFECT = {"rv": -0.02, "rv_ef": 0.03}  # x of the last force: S in V5-V6
WAVE_NOISE_MV, WAVE_NOISE_LOG = 0.055, 0.11  # each QRS wave's own direction and size
HORIZONTAL_NOISE_DEG = 13.0
SEPTAL_Q_HYPERTROPHIC = 2.0

# T: log size, lateral part (x, mV), angle to QRS (degrees).
T_LOG_EFFECT, T_LOG_NOISE = {"mass": -0.04, "decade": -0.13, "stiffness": -0.03, "ell": -0.055}, 0.22
T_LATERAL_POSITIVE = {"concentricity": -0.03, "sbp": -0.02}  # above the mean only
T_ANGLE_EFFECT, T_ANGLE_NOISE_DEG = {"mass": 4.0, "sbp": 2.0, "stiffness": 4.0, "decade": 5.0}, 14.0
T_HORIZONTAL_NOISE_DEG, T_FOLLOWS_AXIS = 9.0, 0.2
T_WEAK_HEART, T_RBBB_MV, T_HYPERTROPHIC_MV = 0.35, 0.15, (-0.45, -0.05, 0.25)
HYPERTROPHIC_INVERSION_SHARE_Z = -0.13  # latent above this: 55 % have a deep lateral T inversion
J_POINT_MV, J_POINT_NOISE_MV = ph.BySex(0.065, 0.025), 0.025
ANEURYSM_ST_MV = (0.0, 0.0, -0.09)  # ST elevation of .1 mV in V2 to V4

# P: the left atrium's lobe grows backwards and to the left (mV per SD, above the mean only); size of both (share).
P_LEFT_PER_LA_MV, P_LEFT_PER_CONCENTRICITY = (0.006, 0.003, 0.009), 0.03
P_LOBE_NOISE_MV = 0.014  # each lobe's own direction and size
P_LOG_EFFECT, P_LOG_NOISE = {"la_ef": 0.05, "ra": 0.08, "decade": -0.05}, 0.27
P_AXIS_EFFECT, P_AXIS_NOISE_DEG = {"bmi": -5.0, "decade": 2.0}, 16.0
FRAGMENTATION_PER_DECADE = 0.25  # the part of QRS that is no dipole grows with age: fibrosis [P]

# Scar: lost dipole per segment and its T [C].
SCAR_QRS_MV, SCAR_T_MV, SCAR_WIDTH_MS, SCAR_T_TIME_MS, SCAR_T_WIDTH_MS = 0.33, 0.12, 12.0, 255.0, 38.0
SMALLEST_SCAR = 0.02


class Scores(dict[str, float]):
    """A state in standard deviations within sex (`decade`: age from 64 years): what the effects above multiply."""

    def sum_of(self, effect: Effect) -> float:
        """Sum of an effect's parts."""
        return float(sum(weight * self[name] for name, weight in effect.items()))


def of(pair: ph.BySex, state: HeartState) -> float:
    """A constant for the sex of one person."""
    return pair.male if state.male else pair.female


def scores_of(state: HeartState) -> Scores:
    """Standard scores of a state; bounded, so that one extreme value cannot make an impossible ECG."""

    def clip(value: float) -> float:
        return float(np.clip(value, -3.0, 3.0))

    decade = float(ph.decades_from_64(state.age_years))
    slope = ph.AAO_DIST_PER_DECADE
    residual = np.sqrt(ph.AAO_DIST_SD_LOG**2 - (slope * ph.AGE_YEARS[1] / 10.0) ** 2)
    usual = np.log(of(ph.AAO_DISTENSIBILITY, state)) + slope * decade - ph.AAO_DIST_SD_LOG**2 / 2.0
    length = of(ph.LV_LENGTH_MM, state)
    return Scores(
        mass=clip(np.log(state.lv_mass / of(ph.LV_MASS_G, state)) / 0.20),
        edv=clip(np.log(state.lv_edv / of(ph.LV_EDV_ML, state)) / 0.19),
        ef=clip((state.lv_ef - of(ph.LV_EF, state)) / 0.050),
        length=clip(np.log(state.lv_length / length) / 0.075),
        la=clip(np.log(state.la_max / of(ph.LA_MAX_ML, state)) / 0.31),
        la_ef=clip((1.0 - state.la_min / state.la_max - of(ph.LA_EF, state)) / 0.072),
        ra=clip(np.log(state.ra_max / of(ph.RA_MAX_ML, state)) / 0.28),
        rv=clip(np.log(state.rv_edv / (177.0 if state.male else 130.0)) / 0.19),
        rv_ef=clip((1.0 - state.rv_esv / state.rv_edv - of(ph.RV_EF, state)) / 0.047),
        bmi=clip((state.bmi - of(ph.BMI, state)) / of(ph.BMI_SD, state)),
        sbp=clip((state.sbp - ph.SBP_MMHG) / 19.3),
        stiffness=clip(-(np.log(state.aao_distensibility) - usual) / residual),
        aorta=clip(np.log(state.aao_area / of(ph.AAO_AREA_MM2, state)) / ph.AAO_CV),
        ell=clip((float(state.ell.mean()) - of(ph.ELL_PERCENT, state)) / 2.6),
        concentricity=clip(state.concentricity),
        decade=decade,
    )


def latents_of(state: HeartState) -> dict[str, float]:
    """The ECG's own latents by name, standard normals."""
    return dict(zip(ELECTRICAL_LATENTS, state.electrical.tolist(), strict=True))
