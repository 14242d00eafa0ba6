"""Diagnosis codes and their dates: two arrays of UK Biobank that belong together by position.

Hospital codes (41270) and first dates (41280) share the array index; causes of death (40001, 40002) share the
instance with the date of death (40000); a first-occurrence field (131298 for I21) is itself the date.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from eccl.errors import Reason
from eccl.readers.tables.dictionary import Field
from eccl.readers.tables.issues import TableIssue
from eccl.readers.tables.values import event_date

CodeSystem = Literal["icd10", "icd9", "opcs4"]

DATE_OF_CODE: dict[CodeSystem, dict[int, int]] = {
    "icd10": {41270: 41280, 41202: 41262},
    "icd9": {41271: 41281},
    "opcs4": {41272: 41282},
}
"""Hospital code fields and the date field with the same array index, by code system."""
UNDATED_HOSPITAL_FIELD = 41204
"""Secondary hospital ICD-10 codes; no field holds their dates, but 41270 has them too."""
DEATH_DATE_FIELD = 40000
DEATH_CODE_FIELDS = (40001, 40002)

DIAGNOSES_SCHEMA: dict[str, type[pl.DataType]] = {
    "eid": pl.Int64,
    "code": pl.String,
    "date": pl.Date,
    "date_status": pl.String,
    "source": pl.String,
    "field_id": pl.Int32,
    "instance": pl.Int8,
    "array_index": pl.Int16,
}
"""Columns of table ``diagnoses``."""

_POSITION = ("eid", "instance", "array_index")
_LISTED = 100


def pair_codes_with_dates(values: pl.DataFrame, dictionary: dict[int, Field]) -> pl.DataFrame:
    """Pair every ICD-10 code with its date: the rows of table ``diagnoses``.

    The hospital's older diagnoses (ICD-9) and its procedures (OPCS-4) are other codes and no part of the table.

    Parameters
    ----------
    values
        Long form of :func:`~eccl.readers.tables.export.read_table` or :func:`~eccl.readers.tables.export.merge_exports`.
    dictionary
        Gives the fields that are first occurrences, by their titles.

    Returns
    -------
    DataFrame
        eid, code (no dot), date, date_status (known, unknown), source (hospital, death, first_occurrence), field_id,
        instance, array_index; sorted. An event without a date, or whose date is a placeholder of coding 819 or 272,
        stays, with date null and status unknown. A secondary code (41204) is listed only where no other hospital
        field of the participant has it. Where a participant has dates beyond the last code, the lists do not belong
        together and all their dates of that field are unknown.
    """
    hospital = pl.concat([_pair_hospital(values, codes, dates) for codes, dates in DATE_OF_CODE["icd10"].items()])
    others = [_pair_undated(values, hospital), _pair_death(values), _pair_first_occurrences(values, dictionary)]
    return pl.concat([hospital, *others]).sort("eid", "code", "source", "field_id", "instance", "array_index")


def find_misaligned(values: pl.DataFrame) -> list[TableIssue]:
    """Find participants whose list of codes and list of dates differ in length.

    Parameters
    ----------
    values
        Long form, all exports merged: codes and dates may come from different files.

    Returns
    -------
    list of TableIssue
        ``TABLE_CODE_DATE_MISALIGNED``, one per participant and field up to a hundred per field, the rest counted.
        Nothing where one of the two fields was not exported at all.
    """
    issues = []
    for pairs in DATE_OF_CODE.values():
        for codes, dates in pairs.items():
            lengths = _measure_lengths(values, codes, dates)
            if not (lengths["codes"].sum() and lengths["dates"].sum()):
                continue
            wrong = lengths.filter(pl.col("codes") != pl.col("dates")).sort("eid")
            issues += _list_misaligned(wrong, codes, dates)
    return issues


def _list_misaligned(wrong: pl.DataFrame, codes: int, dates: int) -> list[TableIssue]:
    listed = [
        TableIssue(
            Reason.TABLE_CODE_DATE_MISALIGNED,
            f"found {n_codes} codes in field {codes} and {n_dates} dates in field {dates}; expected equal lists; "
            "export both fields again, together",
            eid=eid,
        )
        for eid, n_codes, n_dates in wrong.head(_LISTED).select("eid", "codes", "dates").iter_rows()
    ]
    if wrong.height > _LISTED:
        detail = f"further participants with lists of different length in fields {codes} and {dates}"
        listed.append(TableIssue(Reason.TABLE_CODE_DATE_MISALIGNED, detail, wrong.height - _LISTED))
    return listed


def _measure_lengths(values: pl.DataFrame, codes: int, dates: int) -> pl.DataFrame:
    """Length of both lists per participant and instance: one more than the last index."""

    def length(field_id: int) -> pl.Expr:
        last = pl.col("array_index").filter(pl.col("field_id") == field_id).max()
        return (last.cast(pl.Int32) + 1).fill_null(0)

    both = values.filter(pl.col("field_id").is_in([codes, dates]))
    return both.group_by("eid", "instance").agg(length(codes).alias("codes"), length(dates).alias("dates"))


def _get_dates(values: pl.DataFrame, field_id: int) -> pl.DataFrame:
    """Dates of a field by position; placeholders are null."""
    return values.filter(pl.col("field_id") == field_id).select(*_POSITION, event_date().alias("date"))


def _finish(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    status = pl.when(pl.col("date").is_null()).then(pl.lit("unknown")).otherwise(pl.lit("known"))
    code = pl.col("code").str.replace_all(".", "", literal=True).str.to_uppercase()
    finished = frame.with_columns(code, status.alias("date_status"), pl.lit(source).alias("source"))
    return finished.select(pl.col(name).cast(dtype) for name, dtype in DIAGNOSES_SCHEMA.items())


def _get_codes(values: pl.DataFrame, *field_ids: int) -> pl.DataFrame:
    return values.filter(pl.col("field_id").is_in(field_ids)).rename({"value": "code"})


def _pair_hospital(values: pl.DataFrame, codes: int, dates: int) -> pl.DataFrame:
    surplus = _measure_lengths(values, codes, dates).filter(pl.col("dates") > pl.col("codes"))
    trusted = _get_dates(values, dates).join(surplus, on=["eid", "instance"], how="anti")
    return _finish(_get_codes(values, codes).join(trusted, on=list(_POSITION), how="left"), "hospital")


def _pair_undated(values: pl.DataFrame, dated: pl.DataFrame) -> pl.DataFrame:
    # A second, undated row of a dated code would make that code's date doubtful.
    undated = _get_codes(values, UNDATED_HOSPITAL_FIELD).with_columns(pl.lit(None, pl.Date).alias("date"))
    return _finish(undated, "hospital").join(dated, on=["eid", "code"], how="anti")


def _pair_death(values: pl.DataFrame) -> pl.DataFrame:
    dates = _get_dates(values, DEATH_DATE_FIELD).filter(pl.col("date").is_not_null()).sort("eid", "instance")
    # People die once: a certificate without its own date takes the date of another.
    first = dates.group_by("eid", maintain_order=True).agg(pl.col("date").first().alias("first_date"))
    codes = _get_codes(values, *DEATH_CODE_FIELDS)
    joined = codes.join(dates.drop("array_index"), on=["eid", "instance"], how="left").join(first, on="eid", how="left")
    return _finish(joined.with_columns(pl.coalesce("date", "first_date")), "death")


def _pair_first_occurrences(values: pl.DataFrame, dictionary: dict[int, Field]) -> pl.DataFrame:
    codes = {field_id: code for field_id, field in dictionary.items() if (code := field.first_occurrence_code)}
    mapping = pl.DataFrame(
        {"field_id": list(codes), "code": list(codes.values())}, schema={"field_id": pl.Int32, "code": pl.String}
    )
    dated = values.join(mapping, on="field_id").with_columns(event_date().alias("date"))
    # The source of a report is the next field; where only the source was exported, the event still happened.
    reported = (
        values.with_columns(pl.col("field_id") - 1)
        .join(mapping, on="field_id")
        .join(dated, on=["eid", "field_id"], how="anti")
        .with_columns(pl.lit(None, pl.Date).alias("date"))
    )
    return _finish(pl.concat([dated, reported.select(dated.columns)]), "first_occurrence")
