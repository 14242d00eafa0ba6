"""Wave templates of the moving dipole: normal P, QRS and T, bundle branch blocks, and where each segment's wall faces.

Times are ms from the R peak, amplitudes mV along Frank x (left), y (inferior), z (posterior). All numbers were fitted to
normal 12-lead amplitudes of 64-year-olds through Dower's matrix [C]; rows are mu, sigma, x, y, z of one Gaussian.
"""

from __future__ import annotations

import numpy as np

from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.physiology import Floats

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
