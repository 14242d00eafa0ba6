"""The latent state of one heart: everything that ECG, cine and tables show comes from here."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from eccl.simulate.heart.physiology import APEX_WALL_MM, MYOCARDIAL_DENSITY_G_PER_ML, Columns, Floats

Conduction = Literal["normal", "lbbb", "rbbb"]

# What the ECG shows of a person and the heart's shape does not: electrode places, chest, conduction, autonomic tone.
ELECTRICAL_LATENTS = (
    *("gain", "axis", "horizontal", "qrs", "pr", "qt", "t_gain", "p_duration", "variability"),
    *("t_axis", "t_horizontal", "st", "p_gain", "p_axis"),
    *(f"p_{axis}{lobe}" for lobe in range(2) for axis in "xyz"),
    *(f"wave_{axis}{wave}" for wave in range(5) for axis in "xyz"),
    *(f"wave_size{wave}" for wave in range(5)),
)


@dataclass(frozen=True, slots=True, eq=False)
class HeartState:
    """True state at one visit; volumes mL, lengths mm, areas mm2, strain %, pressures mmHg, rates per minute.

    Segment arrays are ordered AHA 1 to 16, `ell` holds the six segments of the four-chamber view, `scar` is the share
    of a segment's wall that does not contract (0 to 1), `electrical` holds one standard normal per ELECTRICAL_LATENTS.
    """

    male: bool
    age_years: float
    height_cm: float
    weight_kg: float
    sbp: float
    dbp: float
    central_pp: float
    heart_rate: float
    cmr_heart_rate: float
    lv_edv: float
    lv_esv: float
    lv_mass: float
    lv_length: float
    shortening: float
    concentricity: float
    rv_edv: float
    rv_esv: float
    la_max: float
    la_min: float
    ra_max: float
    ra_min: float
    aao_area: float
    aao_distensibility: float
    dao_area: float
    dao_distensibility: float
    wall_thickness: Floats
    ecc: Floats
    err: Floats
    ell: Floats
    scar: Floats
    geometric_ecc: float
    atrial_fibrillation: bool
    conduction: Conduction
    incomplete_rbbb: bool
    anterior_fascicular_block: bool
    av_block: bool
    aneurysm: bool
    hypertrophic: bool
    hypertension: bool
    diabetes: bool
    beta_blocker: bool
    electrical: Floats

    @property
    def bmi(self) -> float:
        """Body mass index, kg/m2."""
        return self.weight_kg / (self.height_cm / 100.0) ** 2

    @property
    def lv_ef(self) -> float:
        """Ejection fraction, 0 to 1."""
        return 1.0 - self.lv_esv / self.lv_edv


def from_columns(columns: Columns, index: int) -> HeartState:
    """One person's state out of the columns of a cohort."""
    values: dict[str, Any] = {}
    for field in fields(HeartState):
        value = columns[field.name][index]
        values[field.name] = value.copy() if isinstance(value, np.ndarray) else value.item()
    return HeartState(**values)


def cavity_radius(volume_ml: Any, length_mm: Any, level: Any = 0.5) -> Floats:
    """Radius of a half ellipsoid at a level from base (0) to apex (1), mm.

    V = 2/3 * pi * r_base^2 * length; r(level) = r_base * sqrt(1 - level^2).
    """
    base = np.sqrt(3.0 * np.asarray(volume_ml) * 1000.0 / (2.0 * np.pi * np.asarray(length_mm)))
    return np.asarray(base * np.sqrt(np.clip(1.0 - np.asarray(level) ** 2, 0.0, None)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class WallGeometry:
    """Mid-slice endocardial and epicardial radii at end-diastole and end-systole, mm."""

    endo_ed: Floats
    epi_ed: Floats
    endo_es: Floats
    epi_es: Floats

    @property
    def circumferential_strain(self) -> Floats:
        """Mean of endocardial and epicardial line strain, %: the definition behind category 157."""
        return 50.0 * (self.endo_es / self.endo_ed + self.epi_es / self.epi_ed - 2.0)

    @property
    def thickening(self) -> Floats:
        """Radial strain of the incompressible wall, %."""
        return 100.0 * ((self.epi_es - self.endo_es) / (self.epi_ed - self.endo_ed) - 1.0)


def wall_geometry(edv: Any, esv: Any, mass: Any, length: Any, shortening: Any) -> WallGeometry:
    """Radii of the mid slice from volumes (mL), mass (g), cavity length (mm) and base-to-apex shortening (share)."""
    wall_ml = np.asarray(mass) / MYOCARDIAL_DENSITY_G_PER_ML
    systolic = np.asarray(length) * (1.0 - np.asarray(shortening))
    return WallGeometry(
        endo_ed=cavity_radius(edv, length),
        epi_ed=cavity_radius(edv + wall_ml, np.asarray(length) + APEX_WALL_MM),
        endo_es=cavity_radius(esv, systolic),
        epi_es=cavity_radius(esv + wall_ml, systolic + APEX_WALL_MM),
    )
