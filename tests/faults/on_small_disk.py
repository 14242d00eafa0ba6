"""Ingest into a disk that is too small, in a mount namespace of its own: python on_small_disk.py [ROOT RAW SIZE]...

data/ of every workspace is on a tmpfs of so many kB; afterwards the disk grows and the ingest runs again. What happened is
printed as JSON, one object per workspace.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from eccl.ingest.run import run_ingest
from eccl.workspace import Workspace
from tests.faults.harness import check_instant, check_nothing_lost
from tests.support.workspaces import tree_of


def try_size(root: Path, raw: Path, size_kb: int) -> dict[str, Any]:
    """Fill a disk of one size, look at what is there, then make room and go on."""
    place = Workspace(root)
    before = root / "data before"
    if place.data.is_dir():
        shutil.move(place.data, before)
    place.data.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size_kb}k,nr_inodes=100000", "tmpfs", str(place.data))
    if before.is_dir():
        shutil.copytree(before, place.data, dirs_exist_ok=True)
    before = tree_of(place.data)
    error: Exception | None = None
    try:
        run_ingest(place, raw, workers=1)
    except Exception as failure:  # what kind it is, the test decides
        error = failure
    found = tree_of(place.data)
    check_instant(place)
    mount("-o", "remount,size=64m", str(place.data))
    run_ingest(place, raw, workers=1)
    check_nothing_lost(place, raw)
    return {
        "error": [kind.__name__ for kind in type(error).__mro__] if error else None,
        "message": str(error),
        "leftovers": [name for name in found if ".tmp-" in name],
        "lost": [name for name in before if name not in found],
        "written": sum(before.get(name) != digest for name, digest in found.items()),
        "whole": tree_of(place.data),
    }


def mount(*arguments: str) -> None:
    """Mount inside this process's own namespace."""
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    jobs = iter(sys.argv[1:])
    print(
        json.dumps(
            [try_size(Path(root), Path(raw), int(size)) for root, raw, size in zip(jobs, jobs, jobs, strict=True)]
        )
    )
