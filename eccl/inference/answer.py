"""The answer about one recording, as plain values."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import polars as pl

from eccl.inference.notes import told_count
from eccl.inference.predict import Predictions, Predictor
from eccl.inference.reading import Recording, Refusal

_TOLD = ("observed_at", "software", "ventricular_rate_bpm", "qrs_duration_ms", "qtc_interval_ms", "diagnosis", "flags")
_OF_THE_FILE = ("file", "run_id", "data_version")


def to_json(recording: Recording, found: Predictions, predictor: Predictor, model: str) -> dict[str, Any]:
    """One recording's predictions as plain values; what cannot be said is null, and a `note` says why."""
    (judged,) = found.recordings.to_dicts()
    measures = [
        {
            "measure": one.measure,
            "value": judged[one.measure],
            "low": _plain(one.low),
            "high": _plain(one.high),
            "least": _plain(one.least),
            "most": _plain(one.most),
            "training_recordings": told_count(one.count),
            "validation_recordings": told_count(len(one.distance)),
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
        "recording": {name: _text(recording.columns[name]) for name in _TOLD},
        **{name: judged[name] for name in ("distribution", "p", "comparisons", "note")},
        "quality": measures,
        "embeddings": _rows(found.embeddings, without=("vector",)),
        "traits": _rows(found.traits),
        "diseases": _rows(found.diseases),
    }


def refused_json(refusal: Refusal) -> dict[str, Any]:
    """Why there is no answer."""
    told = {"reason": str(refusal.reason), "detail": refusal.detail, "remedy": refusal.remedy}
    return {"file": refusal.file, "refused": told}


def dump(answer: dict[str, Any]) -> str:
    """As a JSON text; it holds no number that JSON does not know."""
    return json.dumps(answer, indent=1, allow_nan=False) + "\n"


def _run(record: Any, tainted_since: Any) -> dict[str, Any]:
    told = {name: record[name] for name in ("run", "run_id", "weights_sha256", "data_version", "preset")}
    return {**told, "tainted_since": tainted_since.get(record["run_id"])}


def _rows(frame: pl.DataFrame, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return frame.drop(*_OF_THE_FILE, *without, strict=False).to_dicts()


def _plain(value: float) -> float | None:
    return None if value != value else value


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
