"""params.yaml as typed, frozen models; training presets are in :mod:`eccl.training.settings`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from eccl.errors import ConfigError
from eccl.sections import Section, Share, read_section
from eccl.yaml_text import parse_yaml


class IngestParams(Section):
    """How raw files become shards."""

    ecg_shard_rows: int = Field(1024, ge=1, description="records per shard of data/ecg.zarr; one batch of work")
    cine_shard_rows: int = Field(64, ge=1, description="records per shard of data/cine.zarr; one batch of work")
    max_missing_frames: int = Field(5, ge=0, description="frames of the stored slice that may repeat their predecessor")
    max_lead_identity_error_uv: float = Field(50.0, gt=0, description="limb-lead identities may be off by this much")


class LimitParams(Section):
    """Limits of one raw file; a file above a limit is quarantined, and the batch continues."""

    seconds_per_file: float = Field(120.0, gt=0, description="time to read one ECG or cine")
    memory_mb: int = Field(4096, ge=512, description="memory of the process that reads raw files")
    xml_mb: int = Field(64, ge=1, description="size of one ECG file; with full disclosure it has several MB")
    zip_mb: int = Field(1024, ge=1, description="size of one cine zip")
    zip_members: int = Field(6000, ge=1, description="files in one cine zip; a study has 500 to 650")
    zip_member_mb: int = Field(64, ge=1, description="unpacked size of one file of a cine zip")
    zip_total_mb: int = Field(2048, ge=1, description="unpacked size of all files of a cine zip")
    zip_ratio: float = Field(
        200.0, gt=1, description="unpacked over packed size, of the zip and of every file above 4 MB"
    )
    image_px: int = Field(1024, ge=64, description="rows or columns of one image")
    table_mb: int = Field(65536, ge=1, description="size of one tabular export")


class CineParams(Section):
    """What is kept of a short-axis study."""

    frames: int = Field(50, ge=2, description="frames per cycle after periodic resampling")
    window_px: int = Field(112, ge=16, description="side of the stored window at native resolution")
    mid_slice: Literal["auto", "rv_max", "lv_centroid", "index_half"] = Field("auto", description="rule for the slice")
    box: Literal["auto", "segmentation", "motion"] = Field("auto", description="source of the heart box")
    crop: Literal["bbox", "square80"] = Field("bbox", description="the heart's rectangle, or a fixed 80 px square")
    label_scheme: Literal["bai", "cinema"] = Field("bai", description="meaning of a segmentation's labels")


class CohortParams(Section):
    """What visits, splits and labels mean."""

    split_key: str = Field("eccl", min_length=1, description="key of the hash that assigns participants to splits")
    split_shares: dict[str, Share] = Field(
        default={"train": 0.6, "val": 0.2, "test": 0.2}, description="expected share of each split"
    )
    diseases: tuple[str, ...] = Field(
        ("I21", "I42", "I48", "I50"), strict=False, description="ICD-10 blocks that get labels"
    )
    label_definition: Literal["ever", "prevalent", "incident"] = Field("ever", description="labels that training reads")
    incident_horizon_days: int = Field(1826, ge=1, description="horizon of incident labels")
    followup_end: date | None = Field(
        None,
        strict=False,
        description="last day on which diagnoses are complete; null takes the 99th percentile of their dates",
    )

    @model_validator(mode="after")
    def _shares_add_up(self) -> CohortParams:
        if set(self.split_shares) != {"train", "val", "test"} or abs(sum(self.split_shares.values()) - 1) > 1e-9:
            raise ValueError("split_shares needs train, val and test, adding up to 1")
        return self


class QualityParams(Section):
    """How strict the gate is."""

    slots_checked: int = Field(512, ge=0, description="slots per array whose checksums the gate reads back; 0 is all")
    override: str | None = Field(
        None, description="reason for training although the gate failed; recorded in every run"
    )


class PublishParams(Section):
    """How long published stores are kept."""

    keep_releases: int = Field(8, ge=0, description="releases kept beside those with an alias; 0 keeps all")


class Params(Section):
    """All of params.yaml but the training presets."""

    preset: str = Field("demo", description="which of the presets the stages use")
    ingest: IngestParams = Field(default=IngestParams())
    limits: LimitParams = Field(default=LimitParams())
    cine: CineParams = Field(default=CineParams())
    cohort: CohortParams = Field(default=CohortParams())
    quality: QualityParams = Field(default=QualityParams())
    publish: PublishParams = Field(default=PublishParams())
    simulate: dict[str, Any] = Field(default_factory=dict, description="read by eccl.simulate")
    presets: dict[str, Any] = Field(default_factory=dict, description="read by eccl.training")


def load_params(path: Path) -> Params:
    """Read params.yaml.

    Raises
    ------
    ConfigError
        Lists every unknown key and wrong value at once.
    """
    try:
        content = parse_yaml(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name} is not valid YAML: {error}; correct it and run the command again") from None
    return read_section(Params, content, "")
