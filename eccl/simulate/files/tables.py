"""The tabular export of a cohort in two dialects: ukbconv's csv and the Research Analysis Platform's participant.csv.

Both files hold the same people and the same values; only the headers, the quoting and the form of field 41270 differ.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from eccl.readers.tables.dictionary import TRAIT_FIELDS
from eccl.simulate.cohort import IMAGING_INSTANCE, REPEAT_INSTANCE, Participant, Visit
from eccl.simulate.files.diagnoses import FIRST_OCCURRENCE, Diagnoses
from eccl.simulate.heart.physiology import Floats

UKBCONV_NAME, RAP_NAME = "ukb99999.csv", "participant.csv"
WITHDRAWAL_NAME = "w99999_20250101.csv"
ARRAY_OF_CODES, ARRAY_OF_DATES = 41270, 41280
DEATH_CONTRIBUTORY, CONTRIBUTORY_COLUMNS = 40002, 3
# Rows that real exports hold at their end: withdrawn people whose id was replaced.
REPLACED_IDS = ("-1", "W000001")


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One column: field, instance, array index."""

    field: int
    instance: int = 0
    array: int = 0


Row = dict[Key, str]


def participant_row(person: Participant, diagnoses: Diagnoses, traits: Mapping[int, Floats]) -> Row:
    """Every value of one person as text, absent where missing.

    Parameters
    ----------
    traits
        Instance -> the 82 measured traits.
    """
    first = person.visits[0].state
    row: Row = {
        Key(31): str(int(first.male)),
        Key(34): str(person.birth.year),
        Key(52): str(person.birth.month),
        Key(53, 0): person.baseline.isoformat(),
        Key(54, 0): "11010",
        Key(21003, 0): str(_age(person, person.baseline)),
    }
    for visit in person.visits:
        row |= _visit_values(person, visit)
        for field, value in zip(TRAIT_FIELDS, traits.get(visit.instance, ()), strict=False):
            if np.isfinite(value):
                row[Key(field, visit.instance)] = repr(float(value))
    for code, found in diagnoses.first.items():
        row[Key(FIRST_OCCURRENCE[code])] = found.day
        row[Key(FIRST_OCCURRENCE[code] + 1)] = str(found.source)
    for index, (code, day) in enumerate(diagnoses.hospital):
        row[Key(ARRAY_OF_CODES, 0, index)] = code
        row[Key(ARRAY_OF_DATES, 0, index)] = day.isoformat()
    if diagnoses.death is not None:
        row[Key(40000)] = diagnoses.death.isoformat()
        row[Key(40001)] = diagnoses.death_causes[0]
        for index, cause in enumerate(diagnoses.death_causes[1 : 1 + CONTRIBUTORY_COLUMNS]):
            row[Key(DEATH_CONTRIBUTORY, 0, index)] = cause
    return row


def _age(person: Participant, day: object) -> int:
    born = person.birth
    year, month = int(str(day)[:4]), int(str(day)[5:7])
    return year - born.year - (month < born.month)


def _visit_values(person: Participant, visit: Visit) -> Row:
    state, i = visit.state, visit.instance
    return {
        Key(53, i): visit.day.isoformat(),
        Key(54, i): str(person.centre),
        Key(21003, i): str(_age(person, visit.day)),
        Key(50, i): f"{state.height_cm:.1f}".removesuffix(".0"),
        Key(12144, i): str(round(state.height_cm)),
        Key(21002, i): f"{state.weight_kg:.1f}".removesuffix(".0"),
        Key(21001, i): f"{state.bmi:.4f}",
        # Two readings of an automated cuff a minute apart.
        Key(4079, i, 0): str(round(state.dbp + 1)),
        Key(4079, i, 1): str(round(state.dbp - 1)),
        Key(4080, i, 0): str(round(state.sbp + 2)),
        Key(4080, i, 1): str(round(state.sbp - 2)),
    }


def table_keys(rows: Sequence[Row]) -> list[Key]:
    """All columns of the export, whether anybody has a value or not, in the order of ukbconv."""
    imaging = (IMAGING_INSTANCE, REPEAT_INSTANCE)
    keys = [Key(31), Key(34), Key(52), Key(191), Key(40000), Key(40001)]
    keys += [Key(DEATH_CONTRIBUTORY, 0, array) for array in range(CONTRIBUTORY_COLUMNS)]
    keys += [Key(field, i) for field in (53, 54, 21003) for i in (0, *imaging)]
    keys += [Key(field, i) for field in (50, 12144, 21001, 21002, *TRAIT_FIELDS) for i in imaging]
    keys += [Key(field, i, array) for field in (4079, 4080) for i in imaging for array in (0, 1)]
    keys += [Key(field + offset) for field in FIRST_OCCURRENCE.values() for offset in (0, 1)]
    longest = max([1, *(key.array + 1 for row in rows for key in row if key.field == ARRAY_OF_CODES)])
    keys += [Key(field, 0, array) for field in (ARRAY_OF_CODES, ARRAY_OF_DATES) for array in range(longest)]
    return sorted(keys)


def ukbconv_csv(eids: Sequence[int], rows: Sequence[Row]) -> bytes:
    """The export as ``ukbconv ... csv`` writes it: every cell quoted, ``24103-2.0``."""
    keys = table_keys(rows)
    names = ["eid", *(f"{key.field}-{key.instance}.{key.array}" for key in keys)]
    cells = [[row.get(key, "") for key in keys] for row in rows]
    return _csv_text(names, eids, cells, csv.QUOTE_ALL).encode("latin-1")


def rap_csv(eids: Sequence[int], rows: Sequence[Row]) -> bytes:
    """The export as ``dx extract_dataset`` writes it: ``participant.p24103_i2``; 41270 as one JSON list."""
    keys = [key for key in table_keys(rows) if key.field != ARRAY_OF_CODES or key.array == 0]
    names = ["participant.eid", *map(_rap_name, keys)]
    return _csv_text(names, eids, [[_rap_cell(row, key) for key in keys] for row in rows], csv.QUOTE_MINIMAL).encode()


def _csv_text(names: list[str], eids: Sequence[int], cells: list[list[str]], quoting: Literal[0, 1]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=quoting, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([eid, *values] for eid, values in zip(eids, cells, strict=True))
    writer.writerows([replaced, *[""] * (len(names) - 1)] for replaced in REPLACED_IDS)
    return buffer.getvalue()


_INSTANCED = frozenset({50, 53, 54, 4079, 4080, 12144, 21001, 21002, 21003, 40000, 40001, 40002, *TRAIT_FIELDS})
_ARRAYED = frozenset({4079, 4080, DEATH_CONTRIBUTORY, ARRAY_OF_DATES})


def _rap_name(key: Key) -> str:
    instance = f"_i{key.instance}" if key.field in _INSTANCED else ""
    array = f"_a{key.array}" if key.field in _ARRAYED else ""
    return f"participant.p{key.field}{instance}{array}"


def _rap_cell(row: Row, key: Key) -> str:
    if key.field != ARRAY_OF_CODES:
        return row.get(key, "")
    codes = [row[found] for found in sorted(row) if found.field == ARRAY_OF_CODES]
    return json.dumps(codes, separators=(",", ":")) if codes else ""


def write_tables(folder: Path, eids: Sequence[int], rows: Sequence[Row]) -> None:
    """Write both dialects into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UKBCONV_NAME).write_bytes(ukbconv_csv(eids, rows))
    (folder / RAP_NAME).write_bytes(rap_csv(eids, rows))


def withdrawal_list(eids: Sequence[int]) -> bytes:
    """One eid per line, no header, Windows line ends."""
    return "".join(f"{eid}\r\n" for eid in sorted(eids)).encode()
