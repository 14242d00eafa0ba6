"""Wall thickness and strain per AHA segment: what the geometry of the ventricle gives, and a residual per person."""

from __future__ import annotations

import numpy as np

from eccl.simulate.heart import physiology as ph
from eccl.simulate.heart.physiology import Columns, Floats
from eccl.simulate.heart.state import WallGeometry, wall_geometry


def _field_root() -> Floats:
    """Root (16, 16) of the correlation between segments' residuals: neighbours share a part of them."""
    ring = [6, 6, 4]
    place = [(level, 360.0 * i / ring[level]) for level in range(3) for i in range(ring[level])]
    steps = np.array([[abs(a - b) + min(abs(u - v), 360.0 - abs(u - v)) / 60.0 for b, v in place] for a, u in place])
    # Cholesky's root is unique; eigenvectors would differ between builds of LAPACK, and with them the cohort.
    return np.asarray(np.linalg.cholesky(ph.NEIGHBOUR_CORRELATION**steps))


FIELD_ROOT = _field_root()


def draw_wall_residuals(rng: np.random.Generator, count: int) -> Columns:
    """What geometry does not explain of wall and strain: standard normals per person, and fields over the segments.

    A later visit of the same person keeps them.
    """
    fields = rng.standard_normal((3, count, 16)) @ FIELD_ROOT.T
    return {
        "wall_field": fields[0],
        "ecc_field": fields[1],
        "err_field": fields[2],
        "ell_field": rng.standard_normal((count, 6)),
        "z_length": rng.standard_normal(count),
        "z_ell": rng.standard_normal(count),
        "z_ecc": rng.standard_normal(count),
        "z_err": rng.standard_normal(count),
    }


def derive_wall(c: Columns) -> None:
    """Set length, shortening, wall thickness and the three strains from volumes, mass and residuals, in place."""
    ell = _longitudinal(c)
    length = ph.LV_LENGTH_MM.of(c["male"]) * np.cbrt(c["lv_edv"] / ph.LV_EDV_ML.of(c["male"]))
    length = length * np.exp(ph.LV_LENGTH_SD_LOG * c["z_length"])
    usual = ph.ELL_PERCENT.of(c["male"])
    shortening = -(ph.SHORTENING_PER_ELL * usual + ph.SHORTENING_PER_ELL_BETWEEN * (ell - usual)) / 100.0
    # A long-axis shortening larger than the cavity can bear would make the mid slice widen in systole.
    shortening = np.minimum(np.maximum(shortening, 0.02), 0.4 * c["lv_ef"])
    geometry = wall_geometry(c["lv_edv"], c["lv_esv"], c["lv_mass"], length, shortening)
    ecc, ecc_segments = _circumferential(c, geometry)
    c["lv_length"] = length
    c["shortening"] = shortening
    c["geometric_ecc"] = geometry.circumferential_strain
    c["wall_thickness"] = _thickness(c, geometry)
    c["err"] = _radial(c, geometry, ecc, ecc_segments)
    c["ecc"] = np.minimum(ecc_segments, -1.0) * (1.0 - ph.SCAR_ECC_LOSS * c["scar"])
    ell_segments = ell[:, None] * ph.ELL_FACTOR + ph.ELL_SEGMENT_SD * c["ell_field"]
    c["ell"] = np.minimum(ell_segments, -0.5)


def _longitudinal(c: Columns) -> Floats:
    z_ef = (c["lv_ef"] - ph.LV_EF.of(c["male"])) / 0.050
    r = ph.ELL_EF_CORRELATION
    ell = ph.ELL_PERCENT.of(c["male"]) + ph.ELL_PER_DECADE * ph.decades_from_64(c["age_years"])
    ell = ell + ph.ELL_SD * (-r * z_ef + np.sqrt(1 - r**2) * c["z_ell"])
    return np.asarray(np.clip(ell * np.where(c["hypertrophic"], ph.HYPERTROPHIC_ELL, 1.0), -28.0, -3.0))


def _thickness(c: Columns, geometry: WallGeometry) -> Floats:
    whole = geometry.epi_ed - geometry.endo_ed + ph.THICKNESS_DILATION_MM
    local = ph.THICKNESS_FACTOR * np.exp(ph.THICKNESS_SEGMENT_SD * c["wall_field"])
    local = local * (1.0 - ph.SCAR_THINNING * c["scar"]) * c["septal_hypertrophy"]
    return np.asarray(whole[:, None] * local / local.mean(axis=1, keepdims=True))


def _circumferential(c: Columns, geometry: WallGeometry) -> tuple[Floats, Floats]:
    """Global (count,) and segmental (count, 16) strain without scar."""
    ecc = geometry.circumferential_strain + ph.ECC_GLOBAL_SD * c["z_ecc"]
    pattern = np.tile(ph.ECC_FACTOR, (len(ecc), 1))
    left_block = c["conduction"] == "lbbb"
    pattern[np.ix_(left_block, np.array(ph.SEPTAL_SEGMENTS) - 1)] *= ph.LBBB_SEPTAL_ECC
    pattern[np.ix_(left_block, np.array(ph.LATERAL_SEGMENTS) - 1)] *= ph.LBBB_LATERAL_ECC
    return ecc, ecc[:, None] * pattern + ph.ECC_SEGMENT_SD * c["ecc_field"]


def _radial(c: Columns, geometry: WallGeometry, ecc: Floats, ecc_segments: Floats) -> Floats:
    """Radial strain follows thickening, and in a segment its own circumferential shortening."""
    more = np.clip(ecc / np.minimum(geometry.circumferential_strain, -2.0) - 1.0, -0.8, 1.5)
    err = ph.ERR_PER_GEOMETRY.of(c["male"]) * geometry.thickening * (1.0 + ph.ERR_PER_ECC * more)
    err = err + ph.ERR_GLOBAL_SD * c["z_err"] + ph.ERR_PER_DECADE * ph.decades_from_64(c["age_years"])
    err = np.maximum(err, 6.0)
    own = np.clip(ecc_segments / (np.minimum(ecc, -2.0)[:, None] * ph.ECC_FACTOR) - 1.0, -0.8, 1.5)
    segments = err[:, None] * ph.ERR_FACTOR * (1.0 + ph.ERR_PER_ECC * own) + ph.ERR_SEGMENT_SD * c["err_field"]
    return np.asarray(np.maximum(segments, 1.0) * (1.0 - ph.SCAR_ERR_LOSS * c["scar"]))
