"""Raw ECG files in any number: a few hundred simulated recordings, hard-linked under as many names as wanted.

Reading, cleaning, compressing and writing cost what they cost for distinct files; disk space does not.
"""

from __future__ import annotations

import os
from pathlib import Path

from eccl.simulate import SimulationConfig, simulate_cohort

FIRST = 9_000_000
DISTINCT = 251  # a prime: no two shards hold the same recordings in the same order, so none is stored once for all


def make_recordings(folder: Path, count: int = DISTINCT, full_disclosure_share: float = 0.0) -> list[Path]:
    """Simulate distinct ECG files without corruptions."""
    config = SimulationConfig(
        participants=count,
        seed=17,
        corruption_share=0,
        missing_ecg_share=0,
        missing_cine_share=1,
        second_visit_share=0,
        withdrawn=0,
        full_disclosure_share=full_disclosure_share,
    )
    simulate_cohort(folder, config, workers=os.cpu_count() or 1)
    return sorted(folder.rglob("*_20205_2_0.xml"))


def link_raw(folder: Path, recordings: list[Path], visits: range) -> None:
    """Fill a raw folder, two-digit folders as on the research platform, with one file and one table row per visit."""
    for visit in visits:
        eid = FIRST + visit
        place = folder / "Resting" / str(eid)[:2]
        place.mkdir(parents=True, exist_ok=True)
        os.link(recordings[visit % len(recordings)], place / f"{eid}_20205_2_0.xml")
    header = "eid,31-0.0,34-0.0,52-0.0,53-2.0"
    rows = [f"{FIRST + visit},{visit % 2},{1940 + visit % 30},1,2016-05-{1 + visit % 28:02d}" for visit in visits]
    (folder / f"ukb{visits.start}.csv").write_text("\n".join([header, *rows]) + "\n")
