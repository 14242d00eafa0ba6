"""How an ingest grows from a thousand ECGs to a cohort of UK Biobank's size, and what a day's news costs then.

::

    python -m benchmarks.growth                                      # a quarter of an hour on two cores, 25 GB of disk
    python -m benchmarks.growth --steps 4152 --shard-rows 102        # a tenth of it, with as many shards: the increment alone

Writes results/growth.csv (time and memory by number of files), results/increment.csv (nothing new; one per cent more; what
`dvc push` uploads) and docs/figures/ingest-growth.svg.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import origin, write_table
from benchmarks.raw_cohort import link_raw, make_recordings
from eccl.ingest.run import run_ingest
from eccl.versioning.initialise import init_workspace
from eccl.workspace import Workspace

STEPS = (1_000, 4_000, 16_000, 41_519)
FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "ingest-growth.svg"
_ROLES = {"eccl.ingest.reader.process": "reader", "multiprocessing.spawn": "worker"}


@dataclass
class Memory:
    """Largest resident set of each kind of process, in MB."""

    peaks: dict[str, float] = field(default_factory=dict)

    def sample(self) -> None:
        """Measure this process and all its children."""
        for pid, command in _family(os.getpid()):
            role = next((role for part, role in _ROLES.items() if part in command), None)
            if pid == os.getpid():
                role = "parent"
            if role is not None:
                self.peaks[role] = max(self.peaks.get(role, 0.0), _resident_mb(pid))


def _family(root: int) -> list[tuple[int, str]]:
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            commands[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return [(pid, commands.get(pid, "")) for pid in found]


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
    except OSError:
        return 0.0


@contextmanager
def watched() -> Iterator[Memory]:
    """Sample the memory of this process and its children five times a second."""
    memory, done = Memory(), threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            memory.sample()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield memory
    finally:
        done.set()
        thread.join()


def measure_growth(
    scratch: Path, recordings: list[Path], workers: int, steps: Sequence[int], shard_rows: int
) -> tuple[list[dict[str, Any]], Workspace]:
    """Ingest each number of files into a workspace of its own; the largest one is kept."""
    rows: list[dict[str, Any]] = []
    machine, commit = origin()
    place = None
    for count in steps:
        raw = scratch / f"raw-{count}"
        link_raw(raw, recordings, range(count))
        place = init_workspace(scratch / f"study-{count}", {"ecg_shard_rows": shard_rows})
        start = time.perf_counter()
        with watched() as memory:
            run_ingest(place, raw, workers=workers)
        seconds = time.perf_counter() - start
        peaks = {f"{role}_mb": round(memory.peaks.get(role, 0.0)) for role in ("parent", "worker", "reader")}
        rows.append(
            {"ecgs": count, "seconds": round(seconds, 1), "ms_per_ecg": round(seconds / count * 1e3, 2), **peaks}
            | {"workers": workers, "machine": machine, "commit": commit}
        )
        print(rows[-1], flush=True)
        if count != steps[-1]:
            subprocess.run(["rm", "-rf", str(place.root), str(raw)], check=True)
    assert place is not None
    return rows, place


def measure_increment(
    scratch: Path, place: Workspace, recordings: list[Path], workers: int, count: int
) -> list[dict[str, Any]]:
    """Nothing new; then one per cent more participants: time, files rewritten, bytes uploaded."""
    raw = scratch / f"raw-{count}"
    machine, commit = origin()
    rows: list[dict[str, Any]] = []

    def note(what: str, value: float, unit: str, against: str, reference: float) -> None:
        share = round(value / reference, 4) if reference else ""
        rows.append(
            {
                "what": what,
                "ecgs": count,
                "value": round(value, 2),
                "unit": unit,
                "against": against,
                "reference": round(reference, 2),
            }
            | {"share": share, "machine": machine, "commit": commit}
        )
        print(rows[-1], flush=True)

    again = _seconds(lambda: run_ingest(place, raw, workers=workers))
    note(f"re-run with nothing new, {count:,} ECGs", again, "s", "the target", 10.0)
    remote = scratch / "remote"
    _dvc(place, "remote", "add", "--default", "local", str(remote))
    first = _seconds(lambda: _record(place))
    whole = _size(remote)
    before = _stamps(place.data)
    link_raw(raw, recordings, range(count, count + count // 100))
    appended = _seconds(lambda: run_ingest(place, raw, workers=workers))
    after = _stamps(place.data)
    rewritten = [name for name, stamp in after.items() if before.get(name) != stamp]
    note("1 % more: ingest", appended, "s", "re-run with nothing new", again)
    note("1 % more: files under data/ rewritten", len(rewritten), "files", "all files", len(after))
    arrays = [name for name in rewritten if "/c/" in name]
    note("1 % more: shards rewritten", len(arrays), "files", "all shards", sum("/c/" in name for name in after))
    second = _seconds(lambda: _record(place))
    note("1 % more: bytes uploaded by dvc push", (_size(remote) - whole) / 1e6, "MB", "first push", whole / 1e6)
    note("1 % more: dvc add and push", second, "s", "first dvc add and push", first)
    return rows


def _record(place: Workspace) -> None:
    _dvc(place, "add", "--quiet", "data")
    _dvc(place, "push", "--quiet", "data.dvc")


def _dvc(place: Workspace, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=place.root, check=True, capture_output=True)


def _seconds(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    found = {path.relative_to(folder).as_posix(): path.stat() for path in folder.rglob("*") if path.is_file()}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}


def draw(rows: list[dict[str, Any]]) -> None:
    """Time over number of ECGs with its line, and the memory of one worker."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    counts = np.array([float(row["ecgs"]) for row in rows])
    seconds = np.array([float(row["seconds"]) for row in rows])
    slope, offset = np.polyfit(counts, seconds, 1)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.plot(counts, slope * counts + offset, color="0.6", label=f"{slope * 1e3:.1f} ms per ECG + {offset:.0f} s")
    left.plot(counts, seconds, "o", color="C0", label=f"ingest, {rows[0]['workers']} worker processes")
    left.set(xlabel="ECGs", ylabel="seconds", xlim=(0, None), ylim=(0, None), title="Time")
    left.legend(frameon=False)
    for name, label in (("worker_mb", "a worker"), ("reader_mb", "its reader process"), ("parent_mb", "the parent")):
        right.plot(counts, [float(row[name]) for row in rows], "o-", label=label)
    right.set(xlabel="ECGs", ylabel="MB, largest resident set", xlim=(0, None), ylim=(0, None), title="Memory")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    """Measure, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, help="folder with room; default is the system's temporary folder")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard-rows", type=int, default=1024, help="ECGs in a shard")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS, help="numbers of ECGs; a line needs two")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        scratch = Path(folder)
        recordings = make_recordings(scratch / "distinct")
        rows, place = measure_growth(scratch, recordings, options.workers, options.steps, options.shard_rows)
        if len(rows) > 1:
            write_table(rows, "growth")
            draw(rows)
        write_table(measure_increment(scratch, place, recordings, options.workers, options.steps[-1]), "increment")


if __name__ == "__main__":
    main()
