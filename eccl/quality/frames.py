"""What each suite sees: a pandas frame per suite, made by SQL from the tables.

Two rules. Anything that needs more than one column is computed here, vectorised, and is a plain column to the suite.
And no frame holds what could name a participant: `eid` is replaced by its rank, and free text and file names stay
behind, so that nothing the validation library may print, log or render can be an id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eccl.quality.facts import FACTS
from eccl.quality.parameters import GateParameters

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# Columns with free text or file names.
_HIDDEN = frozenset({"path", "detail", "diagnosis", "manufacturer", "software", "analysis"})

_PATH = "coalesce(path <> '' AND NOT starts_with(path, '/') AND NOT contains(path, '\\'), false)"
# Coding 819 and the placeholder of coding 272: dates that stand for "unknown", never dates of events (UKB_FORMATS C6).
_PLACEHOLDERS = "('1900-01-01', '1901-01-01', '1902-02-02', '1903-03-03', '1909-09-09', '2037-07-07')"

_VOLUMES_AND_SIZES = "field_id BETWEEN 24100 AND 24140"
_FRACTIONS = "field_id IN (24103, 24109, 24113, 24117)"
_IMPOSSIBLE = (
    f'NOT isfinite("value") OR ({_VOLUMES_AND_SIZES} AND "value" <= 0) OR ({_FRACTIONS} AND "value" > 100) '
    f'OR (field_id > 24140 AND abs("value") > 200)'
)


def _chamber(name: str, first: int) -> dict[str, str]:
    # Every chamber has four fields in a row: largest volume, smallest volume, stroke volume, ejection fraction.
    large, small, stroke, ejection = (f"field_{first + offset}" for offset in range(4))
    return {
        f"{name}_stroke_volume_error_ml": f"{stroke} - ({large} - {small})",
        f"{name}_ejection_fraction_error": f"{ejection} - 100 * ({large} - {small}) / nullif({large}, 0)",
    }


def _mean(first: int, last: int) -> str:
    fields = [f"field_{field}" for field in range(first, last + 1)]
    return f"({' + '.join(fields)}) / {len(fields)}"


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a suite's rows come from, and the columns that are computed for it."""

    source: str
    derived: Mapping[str, str]


_WIDE_TRAITS = (
    "(SELECT eid, instance, "
    + ", ".join(f'max("value") FILTER (WHERE field_id = {field}) AS field_{field}' for field in range(24100, 24182))
    + f", count(*) FILTER (WHERE {_IMPOSSIBLE}) AS impossible_values FROM traits GROUP BY eid, instance)"
)

FRAMES: dict[str, Frame] = {
    "recordings": Frame(
        "recordings",
        {
            "has_relative_path": _PATH,
            "observed_year": "year(observed_at)",
            "rate_minus_60000_by_rr_bpm": "ventricular_rate_bpm - 60000 / nullif(rr_interval_ms, 0)",
        },
    ),
    "cines": Frame(
        "cines",
        {
            "has_relative_path": _PATH,
            "acquired_year": "year(acquired_on)",
            "follows_frame_rule": "is_resampled = (native_frames <> getvariable('frames'))",
            "spacing_ratio": "spacing_row_mm / nullif(spacing_column_mm, 0)",
            "box_height_mm": "(box_bottom - box_top) * spacing_row_mm",
            "box_width_mm": "(box_right - box_left) * spacing_column_mm",
            "window_shows_image": (
                "window_top + getvariable('window_px') > 0 AND window_left + getvariable('window_px') > 0 "
                "AND window_top < matrix_rows AND window_left < matrix_columns"
            ),
        },
    ),
    "quarantine": Frame(
        "quarantine",
        {
            "has_relative_path": _PATH,
            "has_detail": "coalesce(trim(detail) <> '', false)",
            "has_remedy": "coalesce(trim(remedy) <> '', false)",
            "names_participant": "coalesce(contains(detail || ' ' || remedy, eid::VARCHAR), false)",
            "reason_fits_kind": (
                "CASE split_part(reason, '_', 1) WHEN 'ecg' THEN kind = 'ecg' WHEN 'xml' THEN kind = 'ecg' "
                "WHEN 'cine' THEN kind = 'cine' WHEN 'zip' THEN kind = 'cine' "
                "WHEN 'table' THEN kind = 'table' ELSE true END"
            ),
        },
    ),
    "participants": Frame(
        "participants",
        {"dies_after_birth": "death_date IS NULL OR birth_year IS NULL OR year(death_date) >= birth_year"},
    ),
    "visits": Frame(
        "visits",
        {
            "visit_year": "year(visit_date)",
            "imaging_year": "CASE WHEN instance >= 2 THEN year(visit_date) END",
            "bmi_error": "bmi - weight_kg / nullif((height_cm / 100) ** 2, 0)",
        },
    ),
    "traits": Frame("traits", {"is_finite": 'isfinite("value")'}),
    "phenotypes": Frame(
        _WIDE_TRAITS,
        {
            **_chamber("lv", 24100),
            **_chamber("rv", 24106),
            **_chamber("la", 24110),
            **_chamber("ra", 24114),
            # CO = SV * HR / 1000 with the scanner's own heart rate.
            "implied_heart_rate_bpm": "1000 * field_24104 / nullif(field_24102, 0)",
            "rv_lv_stroke_ratio": "field_24108 / nullif(field_24102, 0)",
            "wall_thickness_global_minus_mean_mm": f"field_24140 - {_mean(24124, 24139)}",
            "circumferential_global_minus_mean": f"field_24157 - {_mean(24141, 24156)}",
            "radial_global_minus_mean": f"field_24174 - {_mean(24158, 24173)}",
            "longitudinal_global_minus_mean": f"field_24181 - {_mean(24175, 24180)}",
        },
    ),
    "fields": Frame("fields", {}),
    "diagnoses": Frame(
        "diagnoses",
        {
            "date_status_agrees": """("date" IS NOT NULL) = (date_status = 'known')""",
            "has_placeholder_date": f"""coalesce("date"::VARCHAR IN {_PLACEHOLDERS}, false)""",
            "event_year": 'year("date")',
        },
    ),
    "splits": Frame("splits", {}),
    "labels": Frame(
        "labels",
        {
            "follows_horizon_rule": (
                "CASE WHEN definition = 'incident' THEN horizon_days IS NOT NULL ELSE horizon_days IS NULL END"
            ),
            "date_has_source": '"date" IS NULL OR source IS NOT NULL',
        },
    ),
    "pairs": Frame("pairs", {}),
    "exclusions": Frame("exclusions", {"has_detail": "coalesce(trim(detail) <> '', false)"}),
    "deletions": Frame("deletions", {"deleted_year": "year(deleted_on)"}),
}


def load_frame(connection: duckdb.DuckDBPyConnection, suite: str) -> pd.DataFrame | None:
    """Load the frame a suite sees; None where its table is missing.

    Columns that cannot be computed, because the table lacks what they need, are left out.

    Parameters
    ----------
    connection
        One view or table per table of schemas/tables, after :func:`set_variables`.
    suite
        Name of the suite.
    """
    if suite == "facts":
        return _load_facts(connection)
    frame = FRAMES[suite]
    columns = _columns(connection, frame.source)
    if columns is None:
        return None
    selected = [_expose(name) for name in columns if name not in _HIDDEN]
    derived = dict(frame.derived)
    if "eid" in columns:
        derived["eid_sign"] = "sign(eid)"
    selected += [
        f"{expression} AS {name}"
        for name, expression in derived.items()
        if _columns(connection, f"(SELECT {expression} AS found FROM {frame.source})") is not None
    ]
    found: pd.DataFrame = connection.sql(f"SELECT {', '.join(selected)} FROM {frame.source}").df()
    return found


def set_variables(connection: duckdb.DuckDBPyConnection, parameters: GateParameters) -> None:
    """Give the SQL of frames and facts the limits of params.yaml, as DuckDB variables."""
    shares = [{"split": split, "share": share} for split, share in parameters.split_shares.items()]
    values: dict[str, Any] = {
        "frames": parameters.frames,
        "window_px": parameters.window_px,
        "incident_horizon_days": parameters.incident_horizon_days,
        "diseases": list(parameters.diseases),
        "split_shares": shares,
    }
    for name, value in values.items():
        connection.execute(f"SET VARIABLE {name} = ?", [value]).fetchall()


def _load_facts(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    import duckdb
    import pandas as pd

    found: dict[str, list[float]] = {}
    for name, query in FACTS.items():
        try:
            [(value,)] = connection.execute(query).fetchall()
        except (duckdb.CatalogException, duckdb.BinderException):
            continue
        # A share of nothing is null: there is nothing to complain about.
        found[name] = [float(value or 0)]
    return pd.DataFrame(found)


def _columns(connection: duckdb.DuckDBPyConnection, source: str) -> list[str] | None:
    import duckdb

    try:
        return [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    except (duckdb.CatalogException, duckdb.BinderException):
        return None


def _expose(name: str) -> str:
    if name == "eid":
        return "CASE WHEN eid IS NOT NULL THEN dense_rank() OVER (ORDER BY eid) END AS eid"
    return f'"{name}"'
