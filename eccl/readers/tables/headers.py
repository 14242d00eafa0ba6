"""Headers of tabular exports: five ways in which UK Biobank's tools name the same column."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from eccl.errors import Reason, Rejected
from eccl.readers.tables.dictionary import TRAIT_FIELDS, Field


class Dialect(StrEnum):
    """Who wrote the header."""

    UKBCONV_CSV = "ukbconv_csv"  # eid, 24103-2.0; also the Table Exporter with UKB-FORMAT headers
    UKBCONV_R = "ukbconv_r"  # f.eid, f.24103.2.0
    R_CSV = "r_csv"  # eid, X24103.2.0: a ukbconv csv that went through R
    RAP = "rap"  # participant.eid, participant.p24103_i2
    RAP_TITLES = "rap_titles"  # Participant ID, LV ejection fraction | Instance 2


_ENTITY = r"(?:participant(?:_[0-9]+)?\.)?"
_PATTERNS = {
    Dialect.UKBCONV_CSV: re.compile(r"(?P<field>[0-9]{1,10})-(?P<instance>[0-9]{1,10})\.(?P<array>[0-9]{1,10})"),
    Dialect.UKBCONV_R: re.compile(r"f\.(?P<field>[0-9]{1,10})\.(?P<instance>[0-9]{1,10})\.(?P<array>[0-9]{1,10})"),
    Dialect.R_CSV: re.compile(r"X(?P<field>[0-9]{1,10})\.(?P<instance>[0-9]{1,10})\.(?P<array>[0-9]{1,10})"),
    Dialect.RAP: re.compile(
        rf"{_ENTITY}p(?P<field>[0-9]{{1,10}})(?:_i(?P<instance>[0-9]{{1,10}}))?(?:_a(?P<array>[0-9]{{1,10}}))?",
        re.IGNORECASE,
    ),
}
_TITLE = re.compile(
    r"(?P<title>.+?)(?:\s*\|\s*Instance (?P<instance>[0-9]{1,10}))?(?:\s*\|\s*Array (?P<array>[0-9]{1,10}))?",
    re.IGNORECASE,
)
_ID = re.compile(rf"(?:f\.|{_ENTITY})eid|participant id", re.IGNORECASE)
_LONGEST_NAME = 1_000
_MOST_COLUMNS = 100_000  # all of UK Biobank's fields take some 30,000
_LARGEST = (2_000_000_000, 127, 32_767)  # what a field, instance and array index may be in the tables


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an export that is in the dictionary.

    Attributes
    ----------
    array_index
        None where the cell holds the whole array as a list.
    """

    position: int
    field_id: int
    instance: int
    array_index: int | None


@dataclass(frozen=True, slots=True)
class Header:
    """A header that was understood.

    Attributes
    ----------
    columns
        Columns that are in the dictionary, each key once.
    width
        Columns of the file.
    unknown_columns
        Columns that are not in the dictionary, or not in this dialect.
    repeated
        Columns whose key an earlier column has already; not read.
    ambiguous
        Columns whose title belongs to several fields and could not be decided; not read.
    """

    dialect: Dialect
    id_position: int
    columns: tuple[Column, ...]
    width: int
    unknown_columns: int
    repeated: tuple[Column, ...]
    ambiguous: tuple[tuple[int, ...], ...]


def split_header(line: str) -> tuple[list[str], str]:
    """Split a header line into names and find its delimiter: a tab where there is one, else a comma.

    Raises
    ------
    Rejected
        ``TABLE_HEADER_UNKNOWN``: a name that does not end.
    """
    delimiter = "\t" if "\t" in line else ","
    try:
        names = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        raise _unknown(1, "a name of more than 100,000 characters") from None
    # A longer name is of no dialect; patterns with blanks would take the square of its length.
    names = [name if len(name) <= _LONGEST_NAME else "" for name in names]
    return [name.strip().removeprefix("\ufeff").strip() for name in names], delimiter


def find_id_column(names: list[str]) -> int | None:
    """Position of the participant's column; None where there is none."""
    return next((position for position, name in enumerate(names) if _ID.fullmatch(name)), None)


def parse_header(names: list[str], dictionary: dict[int, Field]) -> Header:
    """Recognise the dialect of a header and map its columns to fields.

    Parameters
    ----------
    names
        Column names as written.
    dictionary
        Fields to map; other columns are counted as unknown.

    Raises
    ------
    Rejected
        ``TABLE_HEADER_UNKNOWN``: too many columns, no participant column, or no column in any known dialect. The
        message repeats no cell, because a file without header starts with a participant.
    """
    if len(names) > _MOST_COLUMNS:
        raise _unknown(len(names), f"at most {_MOST_COLUMNS} were expected")
    id_position = find_id_column(names)
    if id_position is None:
        raise _unknown(len(names), "no participant column")
    counts = {dialect: sum(1 for name in names if pattern.fullmatch(name)) for dialect, pattern in _PATTERNS.items()}
    dialect = max(counts, key=lambda key: counts[key])
    if counts[dialect]:
        found = _parse_codes(names, _PATTERNS[dialect], dictionary)
        ambiguous: list[tuple[int, ...]] = []
    else:
        dialect = Dialect.RAP_TITLES
        found, ambiguous = _parse_titles(names, id_position, dictionary)
        if not found and not ambiguous:
            raise _unknown(len(names), "no column in a known form")
    columns, repeated = _drop_repeated(found)
    extra_ids = sum(1 for name in names if _ID.fullmatch(name)) - 1
    unknown = len(names) - 1 - extra_ids - len(found) - len(ambiguous)
    return Header(dialect, id_position, columns, len(names), unknown, repeated, tuple(ambiguous))


def _unknown(width: int, found: str) -> Rejected:
    return Rejected(
        Reason.TABLE_HEADER_UNKNOWN,
        f"found {width} columns and {found}; expected a header such as `eid,24103-2.0` (ukbconv csv), `f.eid` and "
        "`f.24103.2.0` (ukbconv r), `participant.eid,participant.p24103_i2` (RAP) or `Participant ID` with titles; "
        "export the table with its header",
    )


def _parse_codes(names: list[str], pattern: re.Pattern[str], dictionary: dict[int, Field]) -> list[Column]:
    found = []
    for position, name in enumerate(names):
        match = pattern.fullmatch(name)
        field = dictionary.get(int(match["field"])) if match else None
        if match and field:
            found.append(_make_column(position, field, match))
    return [column for column in found if _fits(column)]


def _make_column(position: int, field: Field, match: re.Match[str]) -> Column:
    array = match["array"]
    is_list = array is None and field.is_arrayed
    return Column(position, field.field_id, int(match["instance"] or 0), None if is_list else int(array or 0))


def _fits(column: Column) -> bool:
    values = (column.field_id, column.instance, column.array_index or 0)
    return all(value <= largest for value, largest in zip(values, _LARGEST, strict=True))


def _parse_titles(
    names: list[str], id_position: int, dictionary: dict[int, Field]
) -> tuple[list[Column], list[tuple[int, ...]]]:
    titles: dict[str, list[Field]] = {}  # 553 of the showcase's titles belong to more than one field
    for field in dictionary.values():
        titles.setdefault(field.title.strip(), []).append(field)
    matches = {
        position: match
        for position, name in enumerate(names)
        if position != id_position and (match := _TITLE.fullmatch(name)) and match["title"].strip() in titles
    }
    candidates = {position: titles[match["title"].strip()] for position, match in matches.items()}
    occurrences = Counter(names)
    votes = Counter(fields[0].category for fields in candidates.values() if len(fields) == 1)
    found, ambiguous = [], []
    for position, match in matches.items():
        is_decidable = len(candidates[position]) == 1 or occurrences[names[position]] == 1
        chosen = _decide(candidates[position], votes) if is_decidable else None
        if chosen is None:
            ambiguous.append(tuple(sorted(candidate.field_id for candidate in candidates[position])))
        else:
            found.append(_make_column(position, chosen, match))
    return [column for column in found if _fits(column)], ambiguous


def _decide(candidates: list[Field], votes: Counter[int]) -> Field | None:
    """Choose among fields of one title.

    The four volumes of category 157 share their titles with category 133 (24100-24103 and 22420-22423). The category
    with more columns in the same header wins; without such a sign, the trait does.
    """
    if len(candidates) == 1:
        return candidates[0]
    ranked = sorted(candidates, key=lambda field: votes[field.category], reverse=True)
    if votes[ranked[0].category] > votes[ranked[1].category]:
        return ranked[0]
    traits = [field for field in candidates if field.field_id in TRAIT_FIELDS]
    return traits[0] if len(traits) == 1 else None


def _drop_repeated(found: list[Column]) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    seen: set[tuple[int, int, int | None]] = set()
    columns: list[Column] = []
    repeated: list[Column] = []
    for column in found:
        key = (column.field_id, column.instance, column.array_index)
        (repeated if key in seen else columns).append(column)
        seen.add(key)
    return tuple(columns), tuple(repeated)
