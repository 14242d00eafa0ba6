"""Tables of people and visits, from the long form of exports."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from eccl.readers.tables.dictionary import SEX_CODES, TRAIT_FIELDS, load_dictionary
from eccl.readers.tables.values import event_date

PARTICIPANTS_SCHEMA: dict[str, type[pl.DataType]] = {
    "eid": pl.Int64,
    "sex": pl.String,
    "birth_year": pl.Int16,
    "birth_month": pl.Int8,
    "death_date": pl.Date,
    "lost_to_follow_up_on": pl.Date,
}
VISITS_SCHEMA: dict[str, type[pl.DataType]] = {
    "eid": pl.Int64,
    "instance": pl.Int8,
    "visit_date": pl.Date,
    "centre": pl.Int32,
    "age_years": pl.Float64,
    "height_cm": pl.Float64,
    "weight_kg": pl.Float64,
    "bmi": pl.Float64,
    "systolic_mmhg": pl.Float64,
    "diastolic_mmhg": pl.Float64,
}
TRAITS_SCHEMA: dict[str, type[pl.DataType]] = {
    "eid": pl.Int64,
    "instance": pl.Int8,
    "field_id": pl.Int32,
    "value": pl.Float64,
}

_DTYPES: dict[str, type[pl.DataType]] = {"integer": pl.Int64, "continuous": pl.Float64, "date": pl.Date}
_VISIT_FIELDS = {
    "visit_date": 53,
    "centre": 54,
    "age_years": 21003,
    "standing_height": 50,
    "imaging_height": 12144,
    "weight_kg": 21002,
    "bmi": 21001,
    "systolic_mmhg": 4080,
    "diastolic_mmhg": 4079,
}


def typed_scalar(values: pl.DataFrame, field_id: int) -> pl.DataFrame:
    """Take one field out of the long form, in its own type.

    Parameters
    ----------
    values
        Long form of :func:`~eccl.readers.tables.export.read_table`.
    field_id
        A field of the dictionary; KeyError otherwise.

    Returns
    -------
    DataFrame
        eid, instance, array_index, value, sorted. Dates are dates (placeholders of coding 819 and 272 are left out),
        integers and integer codes Int64, continuous values Float64, everything else text.
    """
    kind = load_dictionary()[field_id].kind
    column = pl.col("value")
    if kind == "date":
        column = event_date()
    elif kind in _DTYPES:
        column = column.cast(_DTYPES[kind], strict=False)
    found = values.filter(pl.col("field_id") == field_id).select("eid", "instance", "array_index", column)
    return found.drop_nulls("value").sort("eid", "instance", "array_index")


def participants_from(values: pl.DataFrame, eids: Iterable[int] = ()) -> pl.DataFrame:
    """Make the rows of table ``participants``.

    Parameters
    ----------
    values
        Long form.
    eids
        Participants that must have a row even without any value, such as those of
        :attr:`~eccl.readers.tables.export.TabularExport.eids` or of the bulk files.
    """
    people = pl.concat([values["eid"], pl.Series("eid", list(eids), dtype=pl.Int64)]).unique().sort()
    frame = people.to_frame()
    sources = {"sex": 31, "birth_year": 34, "birth_month": 52, "death_date": 40000, "lost_to_follow_up_on": 191}
    for name, field_id in sources.items():
        first = typed_scalar(values, field_id).group_by("eid", maintain_order=True).agg(pl.col("value").first())
        frame = frame.join(first.rename({"value": name}), on="eid", how="left")
    frame = frame.with_columns(pl.col("sex").cast(pl.String).replace_strict(SEX_CODES, default=None))
    return _conform(frame, PARTICIPANTS_SCHEMA).sort("eid")


def visits_from(values: pl.DataFrame) -> pl.DataFrame:
    """Make the rows of table ``visits``: every participant and instance with a visit's field or a trait."""
    fields = [*_VISIT_FIELDS.values(), *TRAIT_FIELDS]
    frame = values.filter(pl.col("field_id").is_in(fields)).select("eid", "instance").unique()
    for name, field_id in _VISIT_FIELDS.items():
        found = typed_scalar(values, field_id)
        # blood pressure is read twice; other fields have one value
        is_number = found["value"].dtype.is_numeric() and name != "centre"
        value = pl.col("value").mean() if is_number else pl.col("value").first()
        found = found.group_by("eid", "instance", maintain_order=True).agg(value.alias(name))
        frame = frame.join(found, on=["eid", "instance"], how="left")
    frame = frame.with_columns(pl.coalesce("standing_height", "imaging_height").alias("height_cm"))
    return _conform(frame, VISITS_SCHEMA).sort("eid", "instance")


def traits_from(values: pl.DataFrame) -> pl.DataFrame:
    """Make the rows of table ``traits``: the 82 traits, long; values that are not finite are left out."""
    found = values.filter(pl.col("field_id").is_in(TRAIT_FIELDS) & (pl.col("array_index") == 0))
    found = found.with_columns(pl.col("value").cast(pl.Float64, strict=False)).filter(pl.col("value").is_finite())
    return _conform(found, TRAITS_SCHEMA).sort("eid", "instance", "field_id")


def _conform(frame: pl.DataFrame, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    # out-of-range numbers become null: a year of birth of 99999 is no year
    return frame.select(pl.col(name).cast(dtype, strict=False) for name, dtype in schema.items())
