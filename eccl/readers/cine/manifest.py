"""The zip's own list of its files: a cross-check, never the source of anything.

UK Biobank's lists are called ``manifest.csv`` or ``manifest.cvs``, spell a column ``series discription``, and hold
unquoted dates such as ``Aug 30, 2015`` whose comma adds a column.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from typing import Literal
from zipfile import ZipFile, ZipInfo

from eccl.readers.cine.archive import MEMBER_ERRORS, base_name, is_plain
from eccl.readers.cine.headers import normalise_series

ManifestStatus = Literal["agrees", "differs", "missing", "unreadable"]

_COMMA_DATE = re.compile(r"\b([A-Z][a-z]{2}) (\d{1,2}), (\d{4})\b")
_MAX_BYTES = 4 << 20


def is_manifest(name: str) -> bool:
    """True for manifest.csv, manifest.cvs and numbered copies of them, in any folder and case."""
    base = base_name(name).lower()
    return base.startswith("manifest") and base.endswith((".csv", ".cvs"))


def check_manifest(archive: ZipFile, series_by_name: Mapping[str, str]) -> ManifestStatus:
    """Compare every manifest of the zip with the headers.

    Parameters
    ----------
    archive
        The open zip.
    series_by_name
        Normalised SeriesDescription of every readable image, by base name of its file.

    Returns
    -------
    status
        ``agrees`` where the manifests together list exactly these files with these series; ``missing`` where there is
        no manifest; ``unreadable`` where none can be parsed; else ``differs``.
    """
    manifests = [info for info in archive.infolist() if is_manifest(info.filename)]
    if not manifests:
        return "missing"
    tables = [table for info in manifests if (table := _read_manifest(archive, info)) is not None]
    if not tables:
        return "unreadable"
    listed: dict[str, str] = {}
    for table in tables:
        listed.update(table)
    return "agrees" if listed == dict(series_by_name) else "differs"


def parse_manifest(text: str) -> dict[str, str] | None:
    """Normalised series name by file name, or None where the two columns cannot be found.

    Rows whose width still differs from the header's after the dates are repaired are left out.
    """
    rows: Iterable[list[str]] = csv.reader(_COMMA_DATE.sub(r"\1 \2 \3", text).splitlines())
    try:
        header, *body = [[cell.strip() for cell in row] for row in rows if row]
    except (csv.Error, ValueError):
        return None
    names = [cell.lower().lstrip("\ufeff") for cell in header]
    series = next((k for k, name in enumerate(names) if name.startswith("series d")), None)
    if "filename" not in names or series is None:
        return None
    file = names.index("filename")
    return {base_name(row[file]): normalise_series(row[series]) for row in body if len(row) == len(names)}


def _read_manifest(archive: ZipFile, info: ZipInfo) -> dict[str, str] | None:
    if info.file_size > _MAX_BYTES or not is_plain(info):
        return None
    try:
        data = archive.read(info)
    except MEMBER_ERRORS:
        return None
    return parse_manifest(data.decode("utf-8-sig", errors="replace"))
