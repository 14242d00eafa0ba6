"""UK Biobank's data dictionary for the fields this project uses, and the special values of their codings.

Source of ``fields.tsv``: UK Biobank's public schema table 1 (field), release 2025-09. A field is added by a line there.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl

TRAIT_FIELDS: tuple[int, ...] = tuple(range(24100, 24182))
"""The 82 cardiac MR traits of category 157, in the order the method uses."""

PLACEHOLDER_DATES = frozenset(
    map(date.fromisoformat, ("1900-01-01", "1901-01-01", "1902-02-02", "1903-03-03", "1909-09-09", "2037-07-07"))
)
"""Dates of coding 819 (and its first of coding 272) that stand for no event date, before, on or in the year of birth, or
the future; none of them is a plausible date of an event in this cohort."""

SEX_CODES: dict[str, str] = {"0": "F", "1": "M"}
"""Coding 9."""

_FIRST_OCCURRENCE = re.compile(r"Date ([A-Z][0-9]{2}) first reported")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the dictionary.

    Attributes
    ----------
    value_type
        integer, categorical_single, categorical_multiple, continuous, text, date, time or compound.
    base
        Type of a categorical field's codes: ``integer`` or ``text``; empty for other fields.
    coding
        Data coding; None where values are not coded.
    instances, arrays
        First and last instance and array index, both inclusive.
    """

    field_id: int
    title: str
    short_name: str | None
    units: str | None
    value_type: str
    base: str
    category: int
    coding: int | None
    instances: tuple[int, int]
    arrays: tuple[int, int]

    @property
    def trait_index(self) -> int | None:
        """Position among the 82 traits, 0 to 81; None for other fields."""
        return self.field_id - TRAIT_FIELDS[0] if self.field_id in TRAIT_FIELDS else None

    @property
    def is_arrayed(self) -> bool:
        return self.arrays != (0, 0)

    @property
    def is_categorical(self) -> bool:
        return self.value_type.startswith("categorical")

    @property
    def kind(self) -> str:
        """How a value is written: ``integer``, ``continuous``, ``date``, ``code`` or ``text``."""
        if self.is_categorical:
            return "integer" if self.base == "integer" else "code"
        return self.value_type if self.value_type in ("integer", "continuous", "date") else "text"

    @property
    def first_occurrence_code(self) -> str | None:
        """ICD-10 block of a first-occurrence date field of category 2409 and its siblings; None for other fields."""
        match = _FIRST_OCCURRENCE.match(self.title)
        return match[1] if match and self.kind == "date" else None


@cache
def _shipped() -> dict[int, Field]:
    with Path(__file__).with_name("fields.tsv").open(encoding="utf-8", newline="") as stream:
        lines = (line for line in stream if not line.startswith("#"))
        fields = [_to_field(row) for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return {field.field_id: field for field in fields}


def load_dictionary() -> dict[int, Field]:
    """Load the dictionary that ships with this package, fields by id; a fresh copy each time."""
    return dict(_shipped())


def fields_frame(dictionary: dict[int, Field], field_ids: set[int] | None = None) -> pl.DataFrame:
    """Make the rows of table ``fields``, in order of field.

    Parameters
    ----------
    field_ids
        Fields to keep; default all.
    """
    kept = [dictionary[key] for key in sorted(dictionary) if field_ids is None or key in field_ids]
    names = ("field_id", "title", "short_name", "units", "value_type", "category", "coding", "trait_index")
    schema = dict.fromkeys(names, pl.String) | {"field_id": pl.Int32, "category": pl.Int32, "coding": pl.Int32}
    return pl.DataFrame(
        {name: [getattr(field, name) for field in kept] for name in names}, schema=schema | {"trait_index": pl.Int16}
    )


def _to_field(row: dict[str, str]) -> Field:
    first, last = row["instances"].split("-")
    lowest, highest = row["arrays"].split("-")
    return Field(
        field_id=int(row["field_id"]),
        title=row["title"],
        short_name=row["short_name"] or None,
        units=row["units"] or None,
        value_type=row["value_type"],
        base=row["base"],
        category=int(row["category"]),
        coding=int(row["coding"]) if row["coding"] else None,
        instances=(int(first), int(last)),
        arrays=(int(lowest), int(highest)),
    )
