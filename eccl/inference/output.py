"""Predictions as JSON for one file, and as one Parquet file per view for a folder.

::

    OUT/trait_prediction.parquet     as the feature view, by `file` instead of visit, with intervals
    OUT/disease_prediction.parquet   likewise, with calibrated probabilities
    OUT/ecg_embedding.parquet        likewise, with the distance from the training recordings
    OUT/recording.parquet            one row per file: its measures and their distance from training
    OUT/quarantined.parquet          one row per file that was not predicted: reason, detail, remedy
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from eccl.data.files import atomic_path, disk_full_error
from eccl.errors import ReconcileError, WorkspaceError
from eccl.inference.notes import note_on_power, shown_count
from eccl.inference.predict import DISEASE, EMBEDDING, RECORDING, TRAIT, Predictions, Predictor
from eccl.inference.reading import Quarantined, Reader, Recording

BLOCK = 256
"""Files that are read, predicted and written together: a gigabyte of memory."""
QUARANTINED = "quarantined"
FILES = tuple(f"{name}.parquet" for name in (TRAIT, DISEASE, EMBEDDING, RECORDING, QUARANTINED))
_OLDER_FILES = ("refused.parquet",)
"""Files of version 0.1; a folder that contains them is replaced, too."""
_QUARANTINED_SCHEMA = {"file": pl.String, "reason": pl.String, "detail": pl.String, "remedy": pl.String}
_PERCENTILES = ("percentile_1", "percentile_99", "least", "most")
_SHOWN = ("observed_at", "software", "ventricular_rate_bpm", "qrs_duration_ms", "qtc_interval_ms", "diagnosis", "flags")
_OF_THE_FILE = ("file", "run_id", "data_version")


@dataclass(frozen=True, slots=True)
class FolderOutcome:
    """Counts of a predicted folder.

    Parameters
    ----------
    files
        Files that end in .xml.
    ignored
        Other files.
    quarantined
        Files by reason.
    distribution
        Predicted files by verdict.
    rows
        Rows written by view.
    note
        Reason if the verdict is `unknown` for every file; None if validation is large enough.
    """

    files: int
    ignored: int
    predicted: int
    quarantined: dict[str, int]
    distribution: dict[str, int]
    rows: dict[str, int]
    note: str | None


def require_room(out: Path) -> None:
    """Require that a folder is absent, empty, or contains an earlier answer only.

    Raises
    ------
    WorkspaceError
        It contains other files; the message counts them.
    """
    if out.exists() and not out.is_dir():
        raise WorkspaceError("--out is a file; give a folder, which is made when absent")
    others = [path for path in out.iterdir() if path.name not in FILES + _OLDER_FILES] if out.is_dir() else []
    if others:
        raise WorkspaceError(
            f"--out contains {len(others)} other file{'' if len(others) == 1 else 's'}; give an empty or a new folder"
        )


def predict_folder(
    predictor: Predictor,
    reader: Reader,
    out: Path,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
    block: int = BLOCK,
) -> FolderOutcome:
    """Predict every ECG file of a folder, `block` at a time; OUT is written completely or not at all.

    Raises
    ------
    ReconcileError
        Files found differ from files predicted and quarantined.
    WorkspaceError
        The folder contains no .xml file, or OUT contains something else.
    """
    require_room(out)
    entries, ignored = reader.entries()
    predicted, quarantined = 0, list[Quarantined]()
    verdicts, rows = Counter[str](), Counter[str]()
    with disk_full_error(out.parent), atomic_path(out) as temporary, ExitStack() as open_files:
        temporary.mkdir()
        files = _Files(temporary, open_files)
        for recordings, rejected in reader.read_all(entries, workers, block):
            if recordings:
                found = predictor.predict(recordings)
                for name, frame in found.frames().items():
                    files.write(name, frame)
                    rows[name] += frame.height
                verdicts.update(found.recordings["distribution"].to_list())
            predicted += len(recordings)
            quarantined += rejected
            if on_progress is not None:
                on_progress(predicted + len(quarantined), len(entries))
        rejections = [(one.file, str(one.reason), one.detail, one.remedy) for one in quarantined]
        files.write(QUARANTINED, pl.DataFrame(rejections, schema=_QUARANTINED_SCHEMA, orient="row"))
        open_files.close()
        if predicted + len(quarantined) != len(entries) or predicted != rows[RECORDING]:
            raise ReconcileError(
                f"{len(entries)} files: {predicted} read, {rows[RECORDING]} described, {len(quarantined)} quarantined; expected each file "
                "once; nothing was written; please report it"
            )
    reasons = dict(Counter(str(one.reason) for one in quarantined))
    note = note_on_power(predictor.power) if predicted else None
    return FolderOutcome(len(entries), ignored, predicted, reasons, dict(verdicts), dict(rows), note)


class _Files:
    """Parquet files that are written block by block."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._writers: dict[str, pq.ParquetWriter] = {}

    def write(self, name: str, frame: pl.DataFrame) -> None:
        """Append rows; a view without columns of its own gets no file."""
        if frame.width <= 1:
            return
        table = _to_arrow(frame)
        if name not in self._writers:
            writer = pq.ParquetWriter(self._folder / f"{name}.parquet", table.schema, compression="zstd")
            self._writers[name] = self._stack.enter_context(writer)
        self._writers[name].write_table(table.cast(self._writers[name].schema))


def _to_arrow(frame: pl.DataFrame) -> pa.Table:
    """Cast to plain text columns and vectors of fixed length, so that all blocks have one schema."""
    table = frame.to_arrow()
    kinds = {pa.large_string(): pa.string(), pa.string_view(): pa.string(), pa.null(): pa.string()}
    return table.cast(pa.schema([(column.name, kinds.get(column.type, column.type)) for column in table.schema]))


def to_json(recording: Recording, found: Predictions, predictor: Predictor, model: str) -> dict[str, Any]:
    """Return one recording's predictions as plain values; what is missing is null, and a `note` gives the reason."""
    (judged,) = found.recordings.to_dicts()
    measures = [
        {
            "measure": one.measure,
            "value": judged[one.measure],
            **{name: None if math.isnan(value := getattr(one, name)) else value for name in _PERCENTILES},
            "training_recordings": shown_count(one.count),
            "validation_recordings": shown_count(len(one.distance)),
            "p": judged[f"{one.measure}_p"],
            "distribution": judged[f"{one.measure}_distribution"],
        }
        for one in predictor.ranges
    ]
    return {
        "file": recording.file,
        "file_sha256": recording.file_sha256,
        "model": model,
        "runs": [_run(run.record, predictor.tainted_since) for run in predictor.runs],
        "recording": {name: _text(recording.columns[name]) for name in _SHOWN},
        **{name: judged[name] for name in ("distribution", "p", "comparisons", "note")},
        "quality": measures,
        "embeddings": _rows(found.embeddings, without=("vector",)),
        "traits": _rows(found.traits),
        "diseases": _rows(found.diseases),
    }


def quarantined_json(found: Quarantined) -> dict[str, Any]:
    """Return the reason why a file was not predicted."""
    why = {"reason": str(found.reason), "detail": found.detail, "remedy": found.remedy}
    return {"file": found.file, "quarantined": why}


def dump(answer: dict[str, Any]) -> str:
    """Return the JSON text of an answer; NaN and infinity are errors."""
    return json.dumps(answer, indent=1, allow_nan=False) + "\n"


def _run(record: Any, tainted_since: Any) -> dict[str, Any]:
    named = {name: record[name] for name in ("run", "run_id", "weights_sha256", "data_version", "preset")}
    return {**named, "tainted_since": tainted_since.get(record["run_id"])}


def _rows(frame: pl.DataFrame, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return frame.drop(*_OF_THE_FILE, *without, strict=False).to_dicts()


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
