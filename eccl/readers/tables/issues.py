"""Rejected rows, cells and columns of a tabular export, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from eccl.errors import Reason
from eccl.readers.tables.values import BAD, LABEL, OK

_ROWS_LISTED = 100


@dataclass(frozen=True, slots=True)
class TableIssue:
    """A rejected row, cell or column.

    Attributes
    ----------
    reason, detail
        What it was, what was expected; no participant and no cell is repeated in the text.
    count
        Rows or cells concerned.
    row_number
        First row concerned, the header being row 1; None where it concerns a column or is not known.
    eid
        Participant, where exactly one row of one participant is concerned.
    path
        File that held it.
    """

    reason: Reason
    detail: str
    count: int = 1
    row_number: int | None = None
    eid: int | None = None
    path: str = ""


class IssueLog:
    """Collects the issues of one file: rows one by one up to a hundred of a kind, cells by column."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listed: list[TableIssue] = []
        self._rows: Counter[Reason] = Counter()
        self._cells: dict[tuple[int, int], tuple[int, int, int]] = {}  # (column, status) -> count, first row, its eid
        self._accepted: Counter[int] = Counter()

    def add(self, reason: Reason, detail: str, count: int = 1) -> None:
        """Add an issue that is not about one row."""
        self._listed.append(TableIssue(reason, detail, count, path=self._path))

    def add_row(self, reason: Reason, detail: str, row_number: int | None, eid: int | None = None) -> None:
        """Add a rejected row; after a hundred of the same reason, only count it."""
        self._rows[reason] += 1
        if self._rows[reason] <= _ROWS_LISTED:
            self._listed.append(TableIssue(reason, detail, 1, row_number, eid, self._path))

    def add_swallowed_lines(self, lines: int) -> None:
        """Add lines of the file that became part of a quoted cell."""
        if lines > 0:
            self.add(
                Reason.TABLE_ROW_WIDTH,
                f"{lines} lines lie inside quoted cells; expected one row a line; look for a quote that is not closed",
                lines,
            )

    def add_cells(self, cells: pl.DataFrame) -> None:
        """Count the cells of a block by column and status."""
        summary = cells.group_by("column", "status").agg(
            pl.len(), pl.col("row_number").min().alias("row"), pl.col("eid").sort_by("row_number").first()
        )
        for column, status, count, row, eid in summary.select("column", "status", "len", "row", "eid").iter_rows():
            if status == OK:
                self._accepted[column] += count
                continue
            before, first_row, first_eid = self._cells.get((column, status), (0, row, eid))
            self._cells[column, status] = (before + count, first_row, first_eid)

    @property
    def label_columns(self) -> list[int]:
        """Positions of columns that hold labels."""
        return sorted(column for column, status in self._cells if status == LABEL)

    def issues(self, described: pl.DataFrame) -> list[TableIssue]:
        """List everything, rows first, then columns in order of the file."""
        found = list(self._listed)
        found += [
            TableIssue(
                reason, "further rows of the same kind, not listed one by one", count - _ROWS_LISTED, path=self._path
            )
            for reason, count in self._rows.items()
            if count > _ROWS_LISTED
        ]
        keys = {row[0]: row[1:] for row in described.iter_rows()}
        labels = set(self.label_columns)
        for (column, status), (count, row, eid) in sorted(self._cells.items()):
            field_id, instance, array_index, kind, _ = keys[column]
            where = f"field {field_id}, instance {instance}" + (f", array {array_index}" if array_index else "")
            if status == LABEL:
                rejected = count + self._accepted[column] + self._cells.get((column, BAD), (0, 0, 0))[0]
                found.append(
                    TableIssue(
                        Reason.TABLE_LABELS_NOT_CODES,
                        f"{where}: {count} cells hold labels; expected codes; the column is left out; export raw codes",
                        rejected,
                        row,
                        path=self._path,
                    )
                )
            elif column not in labels:
                found.append(
                    TableIssue(
                        Reason.TABLE_VALUE_TYPE,
                        f"{where}: {count} cells are not of type {kind}; the cells are left out",
                        count,
                        row,
                        eid if count == 1 else None,
                        self._path,
                    )
                )
        return found
