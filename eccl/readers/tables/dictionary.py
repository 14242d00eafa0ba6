"""UK Biobank's data dictionary for the fields this project uses, and the special values of their codings.

Source of ``fields.tsv``: UK Biobank's public schema table 1 (field), release 2025-09. A newer or wider dictionary is
read from UK Biobank's own ``field.txt`` with :meth:`Dictionary.read`.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl

from eccl.errors import SchemaError

TRAIT_FIELDS: tuple[int, ...] = tuple(range(24100, 24182))
"""The 82 cardiac MR traits of category 157, in the order the method uses."""

SPECIAL_DATES: dict[int, frozenset[date]] = {
    # no event date, before birth, on the birth date, in the year of birth, two placeholders in the future
    819: frozenset(
        {
            date(1900, 1, 1),
            date(1901, 1, 1),
            date(1902, 2, 2),
            date(1903, 3, 3),
            date(1909, 9, 9),
            date(2037, 7, 7),
        }
    ),
    272: frozenset({date(1900, 1, 1)}),
}
"""Members of date codings that stand for something else than a date, by coding."""

PLACEHOLDER_DATES: frozenset[date] = frozenset().union(*SPECIAL_DATES.values())
"""Every special date of any coding; none of them is a plausible date of an event in this cohort."""

SEX_CODES: dict[str, str] = {"0": "F", "1": "M"}
"""Coding 9."""

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

CODINGS: dict[int, dict[str, str]] = {
    7: {"0": "No", "1": "Yes"},
    8: dict(zip(map(str, range(1, 13)), _MONTHS, strict=True)),
    9: {"0": "Female", "1": "Male"},
    90: {"-3": "Prefer not to answer", "0": "Never", "1": "Previous", "2": "Current"},
    300: {"0": "Self-reported only", "1": "Hospital admission", "2": "Death only"},
    2171: {
        "20": "Death register only",
        "21": "Death register and other source(s)",
        "30": "Primary care only",
        "31": "Primary care and other source(s)",
        "40": "Hospital admissions data only",
        "41": "Hospital admissions data and other source(s)",
        "50": "Self-report only",
        "51": "Self-report and other source(s)",
    },
}
"""Small codings in full: code to meaning."""

_VALUE_TYPES = {
    "11": "integer",
    "21": "categorical_single",
    "22": "categorical_multiple",
    "31": "continuous",
    "41": "text",
    "51": "date",
    "61": "time",
    "101": "compound",
}
_BASE_TYPES = {"0": "", "11": "integer", "41": "text"}
_MAX_BYTES = 64 << 20
_FIRST_OCCURRENCE = re.compile(r"Date ([A-Z][0-9]{2}) first reported")
_OWN_COLUMNS = frozenset({"field_id", "title", "value_type", "base", "category", "coding", "instances", "arrays"})
_SCHEMA_COLUMNS = frozenset({"field_id", "title", "value_type", "base_type", "main_category", "encoding_id", "units"})


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
    def kind(self) -> str:
        """How a value is written: ``integer``, ``continuous``, ``date``, ``code`` or ``text``."""
        if self.value_type.startswith("categorical"):
            return "integer" if self.base == "integer" else "code"
        return self.value_type if self.value_type in ("integer", "continuous", "date") else "text"

    @property
    def first_occurrence_code(self) -> str | None:
        """ICD-10 block of a first-occurrence date field of category 2409 and its siblings; None for other fields."""
        match = _FIRST_OCCURRENCE.match(self.title)
        return match[1] if match and self.kind == "date" else None


class Dictionary(dict[int, Field]):
    """Fields by id."""

    @classmethod
    def read(cls, path: Path | str) -> Dictionary:
        """Read a dictionary from a tab-separated file, plain or gzipped.

        Parameters
        ----------
        path
            UK Biobank's schema table 1 (``field.txt``, latin-1), or a file in the form of this package's
            ``fields.tsv`` (UTF-8).

        Raises
        ------
        SchemaError
            The header is neither of the two, a row does not fit it, or the file is larger than any dictionary.
        """
        try:
            return cls({field.field_id: field for field in _parse(_read_bounded(Path(path)))})
        except (ValueError, KeyError, IndexError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise SchemaError(
                f"the dictionary cannot be read ({type(error).__name__}); expected UK Biobank's schema table 1 "
                "(field.txt), whole and unchanged; download it again"
            ) from None

    def by_title(self) -> dict[str, list[Field]]:
        """Group fields by title: 553 of the showcase's titles belong to more than one field."""
        groups: dict[str, list[Field]] = {}
        for field in self.values():
            groups.setdefault(field.title.strip(), []).append(field)
        return groups


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as handle:
        is_packed = handle.read(2) == b"\x1f\x8b"
        handle.seek(0)
        with gzip.GzipFile(fileobj=handle) if is_packed else nullcontext(handle) as stream:
            content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise SchemaError(
            f"found a dictionary of more than {_MAX_BYTES} bytes; expected UK Biobank's schema table 1 (field.txt), which "
            "has 4 MB; download it again"
        )
    return content


@cache
def _shipped() -> Dictionary:
    return Dictionary.read(Path(__file__).with_name("fields.tsv"))


def load_dictionary() -> Dictionary:
    """Load the dictionary that ships with this package; a fresh copy each time."""
    return Dictionary(_shipped())


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


def _parse(content: bytes) -> Iterator[Field]:
    first = next((line for line in content.splitlines() if not line.startswith(b"#")), b"")
    header = set(first.decode("latin-1").split("\t"))
    if header >= _OWN_COLUMNS:
        text, convert = content.decode("utf-8"), _from_own
    elif header >= _SCHEMA_COLUMNS:
        # the notes hold latin-1 bytes
        text, convert = content.decode("latin-1"), _from_schema
    else:
        raise SchemaError(
            f"found a dictionary with {len(header)} columns of another kind; expected UK Biobank's schema table 1 "
            "(field.txt, tab-separated, with field_id, title, value_type, encoding_id, ...); download it from the "
            "showcase's schema page"
        )
    lines = (line for line in io.StringIO(text, newline="") if not line.startswith("#"))
    for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
        yield convert({name: (cell or "").strip() for name, cell in row.items() if isinstance(name, str)})


def _from_own(row: dict[str, str]) -> Field:
    low, high = row["instances"].split("-"), row["arrays"].split("-")
    return Field(
        field_id=int(row["field_id"]),
        title=row["title"],
        short_name=row["short_name"] or None,
        units=row["units"] or None,
        value_type=row["value_type"],
        base=row["base"],
        category=int(row["category"]),
        coding=int(row["coding"]) if row["coding"] else None,
        instances=(int(low[0]), int(low[1])),
        arrays=(int(high[0]), int(high[1])),
    )


def _from_schema(row: dict[str, str]) -> Field:
    known = _shipped().get(int(row["field_id"]))
    return Field(
        field_id=int(row["field_id"]),
        title=row["title"],
        short_name=known.short_name if known else None,
        units=row["units"] or None,
        value_type=_VALUE_TYPES.get(row["value_type"], "text"),
        base=_BASE_TYPES.get(row["base_type"], ""),
        category=int(row["main_category"]),
        coding=int(row["encoding_id"]) or None,
        instances=(int(row.get("instance_min") or 0), int(row.get("instance_max") or 0)),
        arrays=(int(row.get("array_min") or 0), int(row.get("array_max") or 0)),
    )
