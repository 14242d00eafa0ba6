"""Tabular exports of UK Biobank: any header dialect becomes one long table of checked values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv

from eccl.errors import Reason, Rejected
from eccl.readers.tables.dictionary import Field
from eccl.readers.tables.headers import Dialect, Header, parse_header, split_header
from eccl.readers.tables.issues import IssueLog, TableIssue
from eccl.readers.tables.values import KEY, OK, VALUES_SCHEMA, check_cells, describe_columns, melt_cells

MAX_BYTES = 64 << 30
_BLOCK_BYTES = 8 << 20
# A row of all of UK Biobank's fields, some 30,000 columns, takes a few hundred KB.
_LONGEST_LINE_BYTES = 4 << 20
_MISSING = ["", "NA", "NaN", "nan", "null", "NULL"]
_WITHDRAWN = r"^(?:-[0-9]+|[Ww][0-9]+)$"
_EID = r"^[1-9][0-9]{0,9}(?:\.0)?$"
_PLAIN_EID = re.compile(r"[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class TabularExport:
    """What one file holds.

    Attributes
    ----------
    path
        The file.
    dialect
        Who wrote its header.
    values
        eid, field_id, instance, array_index, value (text): non-missing values only, sorted by key, each key once.
        Values are checked against the dictionary's type and written in one canonical way.
    issues
        Rows and cells that were rejected.
    eids
        Participants of the file, sorted, those without any value included; withdrawn ones are not.
    rows
        Rows read, whatever became of them.
    withdrawn_rows
        Rows whose participant is negative or of the form W000001: withdrawn before the export, left out.
    unknown_columns
        Columns that are not in the dictionary.
    """

    path: Path
    dialect: Dialect
    values: pl.DataFrame
    issues: list[TableIssue]
    eids: pl.Series
    rows: int
    withdrawn_rows: int
    unknown_columns: int


def read_table(path: Path | str, dictionary: dict[int, Field], *, max_bytes: int = MAX_BYTES) -> TabularExport:
    """Read a tabular export.

    Parameters
    ----------
    path
        Comma- or tab-separated text in UTF-8 or latin-1 with one row per participant, in any of the dialects of
        :class:`~eccl.readers.tables.headers.Dialect`.
    dictionary
        Fields to read and their types; other columns are counted and left out.
    max_bytes
        Largest file that is read at all (``limits.table_mb``).

    Returns
    -------
    TabularExport
        Cells that are not of their type are rejected one by one; a coded column that holds labels, even in part, is
        rejected as a whole, because labels and codes cannot be separated afterwards.

    Raises
    ------
    Rejected
        ``UNREADABLE`` (no regular file), ``FILE_TOO_LARGE``, ``EMPTY_FILE``, ``TABLE_ENCODING`` (UTF-16 or binary),
        ``TABLE_HEADER_UNKNOWN``, or ``TABLE_ROW_WIDTH`` for a row or line that does not end.
    """
    path = Path(path)
    _check_file(path, max_bytes)
    text = _scan_text(path)
    names, delimiter = split_header(text.header)
    header = parse_header(names, dictionary)
    log = IssueLog(str(path))
    _log_header(header, log)
    rows = _RowReader(header, delimiter, text, log)
    described = describe_columns(header.columns, dictionary)
    values = _read_values(path, text, rows, described, log)
    return TabularExport(
        path=path,
        dialect=header.dialect,
        values=values,
        issues=log.issues(described),
        eids=pl.Series("eid", sorted(rows.seen), dtype=pl.Int64),
        rows=rows.count,
        withdrawn_rows=rows.withdrawn,
        unknown_columns=header.unknown_columns,
    )


def _read_values(path: Path, text: _Text, rows: _RowReader, described: pl.DataFrame, log: IssueLog) -> pl.DataFrame:
    names = list(VALUES_SCHEMA)
    parts = [pl.DataFrame(schema={"column": pl.UInt32, **VALUES_SCHEMA})]
    for wide in rows.read(path) if text.lines > 1 else ():
        if described.is_empty():
            continue  # rows and participants count, whatever their columns
        cells = check_cells(melt_cells(wide, described))
        log.add_cells(cells)
        parts.append(cells.filter(pl.col("status") == OK).select("column", *names))
    # lines beyond the rows are inside quoted cells: legal, but more likely a quote that was never closed
    log.add_swallowed_lines(text.lines - 1 - rows.count)
    values = pl.concat(parts).filter(~pl.col("column").is_in(log.label_columns)).select(names)
    return values.sort(KEY)


@dataclass(frozen=True, slots=True)
class _Text:
    """The header line, its number, the file's encoding, and how many lines are not blank."""

    header: str
    header_line: int
    encoding: str
    lines: int


def _check_file(path: Path, max_bytes: int) -> None:
    if not path.is_file():
        raise Rejected(
            Reason.UNREADABLE, "found no regular file (a folder, pipe, device or dangling link); expected a table"
        )
    size = path.stat().st_size
    if size > max_bytes:
        raise Rejected(
            Reason.FILE_TOO_LARGE,
            f"found {size} bytes; expected at most {max_bytes} of a table (limits.table_mb in params.yaml); raise the "
            "limit if the file is genuine",
        )


def _scan_text(path: Path) -> _Text:
    """Read the header, find the encoding and count non-blank lines, in one pass over the bytes."""
    first, first_number, lines, encoding = b"", 0, 0, "utf-8"
    for number, line in enumerate(_read_lines(path), start=1):
        if not line or not (first or line.strip()):
            continue
        if not first:
            first, first_number = line, number
        lines += 1
        if encoding == "utf-8" and not line.isascii():
            encoding = _guess_encoding(line)
    if not first:
        raise Rejected(Reason.EMPTY_FILE, "found no lines; expected a header and rows; export the table again")
    return _Text(first.decode(encoding), first_number, encoding, lines)


def _read_lines(path: Path) -> Iterator[bytes]:
    """Yield lines without their ends (Windows, Unix, old Macintosh, in any mixture), none of them of any length."""
    with path.open("rb") as handle:
        while line := handle.readline(_LONGEST_LINE_BYTES + 1):
            if b"\x00" in line:
                raise Rejected(
                    Reason.TABLE_ENCODING, "found zero bytes; expected text in UTF-8 or latin-1; save it as UTF-8"
                )
            if len(line) > _LONGEST_LINE_BYTES:
                raise _endless("a line")
            if b"\r" in line:
                yield from line.removesuffix(b"\n").removesuffix(b"\r").split(b"\r")
            else:
                yield line.removesuffix(b"\n")


def _endless(what: str) -> Rejected:
    return Rejected(
        Reason.TABLE_ROW_WIDTH,
        f"found {what} of more than {_LONGEST_LINE_BYTES} bytes; expected one row a line; look for lost line ends or a "
        "quote that is not closed",
    )


def _guess_encoding(line: bytes) -> str:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _log_header(header: Header, log: IssueLog) -> None:
    for column in header.repeated:
        log.add(
            Reason.TABLE_DUPLICATE_KEY, f"the column of field {column.field_id} occurs again; the first one is read"
        )
    for candidates in header.ambiguous:
        fields = " or ".join(str(field_id) for field_id in candidates)
        log.add(
            Reason.TABLE_HEADER_UNKNOWN,
            f"a column's title belongs to field {fields}; expected one field; export with field numbers as headers",
        )


def _batches(open_reader: Callable[[], pacsv.CSVStreamingReader]) -> Iterator[pa.RecordBatch]:
    try:
        yield from open_reader()
    except pa.ArrowInvalid:  # its message quotes the file; lines are short enough, so a row has many of them
        raise _endless("a row") from None


class _RowReader:
    """Streams the rows of a file in blocks, with checked participants."""

    def __init__(self, header: Header, delimiter: str, text: _Text, log: IssueLog) -> None:
        self.count = 0
        self.withdrawn = 0
        self.seen: set[int] = set()
        self._header, self._delimiter, self._text, self._log = header, delimiter, text, log
        self._wrong_width: list[int] = []
        self._next_row = 2  # the header is row 1

    def read(self, path: Path) -> Iterator[pl.DataFrame]:
        """Yield blocks: eid, row_number, and text columns named by position."""
        positions = sorted({self._header.id_position, *(column.position for column in self._header.columns)})
        names = [str(position) for position in range(self._header.width)]
        kept = [names[position] for position in positions]
        for batch in _batches(lambda: self._open(path, names, kept)):
            if batch.num_rows:
                yield self._check_participants(pl.DataFrame(pl.from_arrow(batch)))
        self.count += len(self._wrong_width)

    def _open(self, path: Path, names: list[str], kept: list[str]) -> pacsv.CSVStreamingReader:
        return pacsv.open_csv(
            path,
            # one thread: rows of a wrong width then come with their number
            pacsv.ReadOptions(
                use_threads=False,
                block_size=_BLOCK_BYTES,
                skip_rows=self._text.header_line,
                column_names=names,
                encoding=self._text.encoding,
            ),
            pacsv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=self._reject_width
            ),
            pacsv.ConvertOptions(
                column_types=dict.fromkeys(kept, pa.string()),
                include_columns=kept,
                null_values=_MISSING,
                strings_can_be_null=True,
            ),
        )

    def _reject_width(self, row: pacsv.InvalidRow) -> str:
        cells = row.text.split(self._delimiter)
        cell = cells[self._header.id_position].strip('" ') if len(cells) > self._header.id_position else ""
        self._log.add_row(
            Reason.TABLE_ROW_WIDTH,
            f"the row has {row.actual_columns} cells; expected {row.expected_columns}; look for stray delimiters",
            row_number=row.number,
            eid=int(cell) if _PLAIN_EID.fullmatch(cell) else None,
        )
        self._wrong_width.append(row.number or 0)
        return "skip"

    def _number_rows(self, height: int) -> pl.Series:
        """Number the rows of a block as in the file: rows of a wrong width are missing from the block."""
        taken = [number for number in self._wrong_width if number >= self._next_row]
        numbers = np.setdiff1d(np.arange(self._next_row, self._next_row + height + len(taken)), taken)[:height]
        self._next_row = int(numbers[-1]) + 1
        return pl.Series("row_number", numbers, dtype=pl.UInt32)

    def _check_participants(self, block: pl.DataFrame) -> pl.DataFrame:
        self.count += block.height
        key = pl.col(str(self._header.id_position)).str.strip_chars()
        block = block.with_columns(self._number_rows(block.height)).with_columns(
            key.str.contains(_WITHDRAWN).fill_null(value=False).alias("is_withdrawn"),
            pl.when(key.str.contains(_EID)).then(key.str.strip_suffix(".0").cast(pl.Int64, strict=False)).alias("eid"),
        )
        self.withdrawn += int(block["is_withdrawn"].sum())
        block = block.filter(~pl.col("is_withdrawn")).drop("is_withdrawn", str(self._header.id_position))
        for number in block.filter(pl.col("eid").is_null())["row_number"]:
            self._log.add_row(Reason.TABLE_EID, "the participant is not a positive whole number", row_number=number)
        block = block.filter(pl.col("eid").is_not_null())
        return block.filter(self._find_first(block["eid"].to_list(), block["row_number"].to_list()))

    def _find_first(self, eids: Sequence[int], numbers: Sequence[int]) -> pl.Series:
        is_first = []
        for eid, number in zip(eids, numbers, strict=True):
            is_first.append(eid not in self.seen)
            if eid in self.seen:
                self._log.add_row(
                    Reason.TABLE_DUPLICATE_KEY,
                    "the participant has a row already; the first row is kept; look for joined or repeated exports",
                    row_number=number,
                    eid=eid,
                )
            self.seen.add(eid)
        return pl.Series(is_first, dtype=pl.Boolean)


def merge_exports(exports: Sequence[TabularExport]) -> tuple[pl.DataFrame, list[TableIssue]]:
    """Unite the values of several exports.

    Parameters
    ----------
    exports
        From :func:`read_table`, in any order and any mix of dialects.

    Returns
    -------
    values
        As of one export: equal values once; where files differ, the value of the first file in the order of their
        paths.
    issues
        One ``TABLE_CONFLICT`` per file and column with the number of values that were not taken. Issues of the
        exports themselves are not repeated.
    """
    ordered = sorted(exports, key=lambda export: str(export.path))
    frames = [export.values.with_columns(pl.lit(rank, pl.Int32).alias("rank")) for rank, export in enumerate(ordered)]
    empty = pl.DataFrame(schema=VALUES_SCHEMA | {"rank": pl.Int32})
    united = pl.concat([empty, *frames]).sort(*KEY, "rank")
    is_first = ~pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in KEY).fill_null(value=False)
    united = united.with_columns(is_first.alias("is_first")).with_columns(
        pl.when("is_first").then("value").forward_fill().alias("kept")
    )
    conflicts = united.filter(~pl.col("is_first") & (pl.col("value") != pl.col("kept")))
    return united.filter("is_first").select(*VALUES_SCHEMA), _list_conflicts(conflicts, ordered)


def _list_conflicts(conflicts: pl.DataFrame, ordered: Sequence[TabularExport]) -> list[TableIssue]:
    columns = ("rank", *KEY[1:])
    counted = conflicts.group_by(*columns).agg(pl.len(), pl.col("eid").first()).sort(*columns)
    return [
        TableIssue(
            Reason.TABLE_CONFLICT,
            f"field {field_id}, instance {instance}, array {array_index}: {count} values differ from an earlier "
            "file's; the earlier file's are kept; find out which export is newer",
            count,
            eid=eid if count == 1 else None,
            path=str(ordered[rank].path),
        )
        for rank, field_id, instance, array_index, count, eid in counted.iter_rows()
    ]
