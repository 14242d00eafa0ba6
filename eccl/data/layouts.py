"""Layouts of the modalities' arrays: record shape, type, rows per shard and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eccl.config import Params
from eccl.data.arrays import ArraySpec
from eccl.modalities import CINE, ECG, Modality, load

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def array_specs(modality: Modality, params: Params) -> tuple[ArraySpec, ...]:
    """Specs of a modality's arrays under given parameters; all have the same rows per shard."""
    specs: tuple[ArraySpec, ...] = load(modality.layout)(params)
    return specs


def ecg_layout(params: Params) -> tuple[ArraySpec, ...]:
    """Specs of the ECG arrays under given parameters."""
    return ecg_specs(params.ingest.ecg_shard_rows)


def cine_layout(params: Params) -> tuple[ArraySpec, ...]:
    """Spec of the cine array under given parameters."""
    cine = params.cine
    return cine_specs(params.ingest.cine_shard_rows, cine.frames, cine.window_px, cine.model_dump())


def ecg_specs(shard_rows: int) -> tuple[ArraySpec, ...]:
    """Arrays of resting ECGs: raw and baseline-free, (row, 12, 5000) int16 in µV at 500 Hz."""
    shared = {"unit": "uV", "sample_rate_hz": 500, "leads": list(LEADS), "dimensions": ["row", "lead", "sample"]}
    contents = ("as recorded", "one-RR moving average removed")
    return tuple(
        ArraySpec(name, (12, 5000), "int16", shard_rows, {**shared, "content": content})
        for name, content in zip(ECG.arrays, contents, strict=True)
    )


def cine_specs(shard_rows: int, frames: int, window_px: int, parameters: Mapping[str, Any]) -> tuple[ArraySpec, ...]:
    """Array of cines: (row, frame, y, x) uint8, window of one short-axis slice at native resolution."""
    attributes = {"dimensions": ["row", "frame", "y", "x"], "parameters": dict(parameters)}
    return (ArraySpec(CINE.model_array, (frames, window_px, window_px), "uint8", shard_rows, attributes),)
