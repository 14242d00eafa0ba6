"""Configuration of a simulated cohort: the keys of ``simulate:`` in params.yaml, and a few that have defaults."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]

# Raised whenever the same configuration would give other bytes; part of the hash that decides about reuse.
SIMULATOR_VERSION = 2


class SimulationConfig(BaseModel):
    """One cohort's configuration; equal configurations give equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    participants: int = Field(64, ge=1, le=500_000, description="Participants in the cohort.")
    seed: int = Field(7, ge=0, description="Everything random follows from this number.")
    disease_enrichment: bool = Field(True, description="Raise I21, I42, I48 and I50 to about 0.3 each.")
    second_visit_share: Share = Field(0.15, description="Participants with a second imaging visit, instance 3.")
    missing_ecg_share: Share = Field(0.04, description="Visits without an ECG file.")
    missing_cine_share: Share = Field(0.06, description="Visits without a short-axis study.")
    corruption_share: Share = Field(0.06, description="Files replaced by a documented corruption.")
    withdrawn: int = Field(2, ge=0, description="Participants on the withdrawal list who have files.")
    slices: tuple[int, int] = Field((4, 6), description="Smallest and largest number of short-axis slices.")
    frames: int = Field(50, ge=8, le=99, description="Frames per cardiac cycle; UK Biobank always has 50.")
    matrix_sizes: tuple[tuple[int, int], ...] = Field(
        ((208, 187), (192, 208), (210, 208), (208, 168)), description="Rows and columns that occur."
    )
    full_disclosure_share: Share = Field(0.02, description="ECG files with the several-MB FullDisclosure block.")
    layout: Literal["rap", "flat"] = Field("rap", description="Folders as on the Research Analysis Platform, or flat.")

    @model_validator(mode="after")
    def _possible(self) -> SimulationConfig:
        smallest, largest = self.slices
        if not 1 <= smallest <= largest <= 13:
            raise ValueError(f"slices is [{smallest}, {largest}]; expected 1 <= smallest <= largest <= 13")
        if self.withdrawn > self.participants:
            raise ValueError(f"withdrawn is {self.withdrawn} of {self.participants} participants; lower it")
        if not self.matrix_sizes or any(min(size) < 128 or max(size) > 512 for size in self.matrix_sizes):
            raise ValueError("matrix_sizes must hold at least one [rows, columns], each side from 128 to 512")
        return self

    def digest(self) -> str:
        """Hash of the recipe and of the simulator's version, 64 hex digits."""
        text = json.dumps({"version": SIMULATOR_VERSION, **self.model_dump(mode="json")}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
