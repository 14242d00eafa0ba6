"""A folder of ECG files at once: one Parquet file per view, and one with what was refused.

::

    OUT/trait_prediction.parquet     as the feature view, with `file` for the visit, and with intervals
    OUT/disease_prediction.parquet   likewise, with calibrated probabilities
    OUT/ecg_embedding.parquet        likewise, with the distance from the training recordings
    OUT/recording.parquet            one row per file: its measures and how usual they are
    OUT/refused.parquet              one row per file that could not be read: reason, detail, remedy
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from eccl.data.files import aside, told_when_full
from eccl.errors import ReconcileError, WorkspaceError
from eccl.inference.notes import note_on_power
from eccl.inference.predict import DISEASE, EMBEDDING, RECORDING, TRAIT, Predictor
from eccl.inference.reading import Reader, Refusal

BLOCK = 256
"""Files that are read, described and written together: a gigabyte of memory, however many there are."""
REFUSED = "refused"
FILES = tuple(f"{name}.parquet" for name in (TRAIT, DISEASE, EMBEDDING, RECORDING, REFUSED))
_REFUSED_SCHEMA = {"file": pl.String, "reason": pl.String, "detail": pl.String, "remedy": pl.String}


@dataclass(frozen=True, slots=True)
class FolderOutcome:
    """What became of a folder's files.

    Parameters
    ----------
    files
        Files that end in .xml.
    ignored
        Files that do not.
    refused
        Files by reason.
    distribution
        Predicted files by verdict.
    rows
        Rows written by view.
    note
        Why the verdict is `unknown` for every file; None where validation is large enough for another.
    """

    files: int
    ignored: int
    predicted: int
    refused: dict[str, int]
    distribution: dict[str, int]
    rows: dict[str, int]
    note: str | None


def require_room(out: Path) -> None:
    """Refuse a folder that holds anything but an earlier answer.

    Raises
    ------
    WorkspaceError
        Tells how many other files there are.
    """
    if out.exists() and not out.is_dir():
        raise WorkspaceError("--out is a file; give a folder, which is made when absent")
    others = [path for path in out.iterdir() if path.name not in FILES] if out.is_dir() else []
    if others:
        raise WorkspaceError(
            f"--out holds {len(others)} other file{'' if len(others) == 1 else 's'}; give an empty folder, or one that is not there yet"
        )


def predict_folder(
    predictor: Predictor,
    reader: Reader,
    out: Path,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
    block: int = BLOCK,
) -> FolderOutcome:
    """Predict every ECG file of a folder, `block` at a time; OUT appears whole or not at all.

    Raises
    ------
    ReconcileError
        Files found differ from predicted and refused.
    WorkspaceError
        The folder holds no .xml file, or OUT holds something else.
    """
    require_room(out)
    entries, ignored = reader.entries()
    predicted, refusals = 0, list[Refusal]()
    verdicts, rows = Counter[str](), Counter[str]()
    with told_when_full(out.parent), aside(out) as temporary, ExitStack() as open_files:
        temporary.mkdir()
        files = _Files(temporary, open_files)
        for recordings, refused in reader.read_all(entries, workers, block):
            if recordings:
                found = predictor.predict(recordings)
                for name, frame in found.frames().items():
                    files.write(name, frame)
                    rows[name] += frame.height
                verdicts.update(found.recordings["distribution"].to_list())
            predicted += len(recordings)
            refusals += refused
            if on_progress is not None:
                on_progress(predicted + len(refusals), len(entries))
        files.write(REFUSED, _refused(refusals))
        open_files.close()
        if predicted + len(refusals) != len(entries) or predicted != rows[RECORDING]:
            raise ReconcileError(
                f"{len(entries)} files: {predicted} read, {rows[RECORDING]} described, {len(refusals)} refused; expected each file "
                "once; nothing was written, please report it"
            )
    reasons = dict(Counter(str(one.reason) for one in refusals))
    note = note_on_power(predictor.power) if predicted else None
    return FolderOutcome(len(entries), ignored, predicted, reasons, dict(verdicts), dict(rows), note)


def _refused(refusals: list[Refusal]) -> pl.DataFrame:
    told = [(one.file, str(one.reason), one.detail, one.remedy) for one in refusals]
    return pl.DataFrame(told, schema=_REFUSED_SCHEMA, orient="row")


class _Files:
    """Parquet files that grow block by block."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._writers: dict[str, pq.ParquetWriter] = {}

    def write(self, name: str, frame: pl.DataFrame) -> None:
        """Append rows; a view that no run writes gets no file."""
        if frame.width <= 1:
            return
        table = _to_arrow(frame)
        if name not in self._writers:
            writer = pq.ParquetWriter(self._folder / f"{name}.parquet", table.schema, compression="zstd")
            self._writers[name] = self._stack.enter_context(writer)
        self._writers[name].write_table(table.cast(self._writers[name].schema))


def _to_arrow(frame: pl.DataFrame) -> pa.Table:
    """Plain text columns and vectors of fixed length, whatever a block holds."""
    table = frame.to_arrow()
    kinds = {pa.large_string(): pa.string(), pa.string_view(): pa.string(), pa.null(): pa.string()}
    return table.cast(pa.schema([(column.name, kinds.get(column.type, column.type)) for column in table.schema]))
