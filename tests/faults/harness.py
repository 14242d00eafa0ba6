"""Faults on purpose: runs that are hit at chosen moments, and what must hold at the instant after.

::

    scenario = first | append | repair        a workspace as it was before, raw files, and data/ after an undisturbed run
    hit(scenario, place, victim, moment)      starts the run, waits for some change under data/, kills the victim
    check_instant(place)                      nothing half-visible
    check_complete(scenario, place)           the next run: nothing lost, the same bytes
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import eccl
from eccl.data.arrays import find_damaged
from eccl.data.files import TEMPORARY_PREFIX
from eccl.data.parts import data_version, read_files, table_files
from eccl.ingest.run import run_ingest
from eccl.modalities import MODALITIES
from eccl.workspace import Workspace, shipped
from tests.support.workspaces import Tree, tree_of

ROOT = Path(__file__).resolve().parents[2]
LONG = bool(os.environ.get("ECCL_LONG"))
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")

INGEST = (
    "import sys; from pathlib import Path; from eccl.workspace import Workspace; from eccl.ingest.run import run_ingest; "
    "run_ingest(Workspace(Path(sys.argv[1])), sys.argv[2], workers=int(sys.argv[3]), repair=sys.argv[4] == 'repair')"
)
ECCL = "from eccl.commands import main; main()"

WORKER, READER = "multiprocessing.spawn", "eccl.ingest.reader.process"
VICTIMS = ("group", "parent", "worker", "reader")

Answer = tuple[str, tuple[int, ...]]
Damage = Mapping[str, frozenset[int]]
UNHARMED: Damage = {}


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a fault meets.

    Parameters
    ----------
    before
        Root of the workspace as it is before the run; copied for every fault.
    whole, whole_at
        data/ after an undisturbed run: its tree, and its folder.
    damage
        Slots that did not read back before the run, by array.
    answer
        Contents of the published store, if there is one.
    """

    name: str
    before: Path
    raw: Path
    is_repair: bool
    whole: Tree
    whole_at: Path
    damage: Damage
    answer: Answer | None

    def copy_to(self, root: Path) -> Workspace:
        """The workspace as it was before the run."""
        shutil.copytree(self.before, root)
        return Workspace(root)

    def changes(self, *, only_batches: bool = False) -> int:
        """How many files of data/ an undisturbed run writes, or only its batches."""
        before = tree_of(self.before / "data")
        fresh = [name for name, digest in self.whole.items() if before.get(name) != digest]
        return sum(_is_of_batch(name) for name in fresh) if only_batches else len(fresh)


def _is_of_batch(name: str) -> bool:
    return "/c/" in name or name.startswith(("tables/recordings", "tables/cines"))


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill: after so many changes under data/, once a further write has begun or at once."""

    changes: int
    in_write: bool

    @classmethod
    def draw(cls, rng: random.Random, changes: int) -> Moment:
        """Every change of the run is as likely as any other."""
        return cls(rng.randrange(changes), rng.random() < 0.5)

    def reached(self, data: Path) -> Callable[[], bool]:
        """Make the condition to wait for; changes count from now."""
        changed = count_changes(data)
        return lambda: changed() >= self.changes and (not self.in_write or _is_writing(data))


def _is_writing(data: Path) -> bool:
    return any(TEMPORARY_PREFIX in name for _, folders, files in os.walk(data) for name in (*folders, *files))


def make_workspace(folder: Path) -> Workspace:
    """A bare workspace whose shards hold three ECGs and two cines, so that a few files make several batches."""
    folder.mkdir(parents=True, exist_ok=True)
    text = shipped("params.yaml").read_text()
    for old, new in (
        ("ecg_shard_rows: 1024", "ecg_shard_rows: 3"),
        ("cine_shard_rows: 64", "cine_shard_rows: 2"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "params.yaml").write_text(text)
    return Workspace(folder)


def start(place: Workspace, raw: Path, *, workers: int, is_repair: bool = False) -> subprocess.Popen[str]:
    """Begin an ingest in a process group of its own."""
    mode = "repair" if is_repair else "ingest"
    return begin(INGEST, str(place.root), str(raw), str(workers), mode)


def begin(program: str, *arguments: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Run Python text in a process group of its own and keep its output."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def members(session: int) -> dict[int, str]:
    """Processes of a session that still run, with their command lines."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, _, _, belongs = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(belongs) == session and state not in "ZX":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
    return found


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 1200.0) -> bool:
    """Wait until something holds; False if the process ended before."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    pytest.fail(f"nothing happened for {seconds:g} s")


def count_changes(data: Path) -> Callable[[], int]:
    """How many files of data/ appeared or were replaced since now."""
    before = dict(_stamps(data))
    return lambda: sum(before.get(name) != stamp for name, stamp in _stamps(data))


def _stamps(data: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    for folder, _, names in os.walk(data):
        if TEMPORARY_PREFIX in folder:
            continue
        for path in (Path(folder, name) for name in names if not name.startswith(TEMPORARY_PREFIX)):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            yield str(path), (status.st_ino, status.st_mtime_ns)


def hit(scenario: Scenario, place: Workspace, victim: str, moment: Moment, workers: int) -> tuple[str, str]:
    """Start the scenario's run and kill a part of it.

    Returns
    -------
    tuple of str
        Where the run was (see :func:`phase`), or "too late"; and what it wrote on its error stream.
    """
    reached = moment.reached(place.data)
    process = start(place, scenario.raw, workers=workers, is_repair=scenario.is_repair)
    words = ""
    alive = wait_for(reached, process)
    if victim in {"worker", "reader"} and alive:
        name = WORKER if victim == "worker" else READER
        alive = wait_for(lambda: _of(process.pid, name), process)
    alive = alive and process.poll() is None and _kill(process, victim)
    _, words = process.communicate(timeout=1200)
    assert alive or process.returncode == 0, f"the run failed before it was hit: {words[-1000:]}"
    _wait_until_alone(process.pid)
    if not alive:
        return "too late", words
    return ("while the run went on" if victim == "reader" else phase(scenario, place)), words


def _of(session: int, name: str) -> list[int]:
    return [pid for pid, command in members(session).items() if name in command and "resource_tracker" not in command]


def _kill(process: subprocess.Popen[str], victim: str) -> bool:
    try:
        if victim == "group":
            os.killpg(process.pid, signal.SIGKILL)
        elif victim == "parent":
            process.kill()
        else:
            os.kill(_of(process.pid, WORKER if victim == "worker" else READER)[0], signal.SIGKILL)
    except (IndexError, ProcessLookupError):  # it went away in between
        return False
    return True


def _wait_until_alone(session: int) -> None:
    until = time.monotonic() + 600
    while left := members(session):
        assert time.monotonic() < until, f"orphans after 600 s: {sorted(left.values())}"
        time.sleep(0.02)


def phase(scenario: Scenario, place: Workspace) -> str:
    """Step that a run had reached when it ended, from the files on disk."""
    now = tree_of(place.data) if place.data.is_dir() else {}
    before = tree_of(scenario.before / "data") if (scenario.before / "data").is_dir() else {}
    fresh = {name for name, digest in scenario.whole.items() if before.get(name) != digest}
    done = {name for name in fresh if now.get(name) == scenario.whole[name]}
    parts = {name for name in fresh if name.startswith(("tables/recordings", "tables/cines"))}
    shards = {name for name in fresh if "/c/" in name}
    if parts <= done and shards <= done:
        return "tables and cohort"
    if any(TEMPORARY_PREFIX in name for name in now):
        return "within a write"
    if scenario.is_repair:
        return "between commits" if shards & done else "before the first commit"
    if not parts & done:
        return "arrays written, no part yet" if shards & done else "before the first commit"
    return "between commits"


def check_instant(place: Workspace, damage: Damage = UNHARMED) -> None:
    """Nothing is half-visible: every part is whole, every row reads back to its checksums, the data has a version."""
    tables = [path for path in place.tables.rglob("*.parquet") if not path.name.startswith(TEMPORARY_PREFIX)]
    for path in tables:
        pq.read_table(path)
    for table, array, column in ((m.table, a, c) for m in MODALITIES for a, c in m.arrays.items()):
        files = table_files(place.data, table)
        if not files:
            continue
        committed = read_files(files, ["row", column])
        rows = committed.column("row").to_pylist()
        assert len(set(rows)) == len(rows), f"{table}: a slot is committed twice"
        wrong = find_damaged(place.data, array, rows, committed.column(column).to_pylist())
        assert set(wrong) <= damage.get(array, frozenset()), f"{array}: {len(wrong)} committed slots do not read back"
    if tables:
        assert len(data_version(place.data)) == 16


def answer_of(place: Workspace) -> Answer:
    """What analysts see: the release's name and some counts."""
    with eccl.open(place.root) as store:
        tables = ("pairs", "recordings", "cines", "quarantine")
        counts = (store.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in tables)
        return store.release, tuple(counts)


def check_nothing_lost(place: Workspace, raw: Path) -> None:
    """Every bulk file is in a committed row or in quarantine, or belongs to a withdrawn participant."""
    gone = {line for path in raw.rglob("w*.csv") for line in path.read_text().split()}
    found = Counter(
        path.relative_to(raw).as_posix()
        for path in raw.rglob("*_2_*")
        if path.suffix in {".xml", ".zip"} and path.name.partition("_")[0] not in gone
    )
    known: set[str] = set()
    for table in ("recordings", "cines", "quarantine"):
        for file in table_files(place.data, table):
            known |= set(pq.read_table(file, columns=["path"]).column("path").to_pylist())
    assert found
    assert not set(found) - known, f"{len(set(found) - known)} raw files are nowhere"


def check_complete(scenario: Scenario, place: Workspace) -> None:
    """The next run completes with the bytes of an undisturbed one."""
    run_ingest(place, scenario.raw, workers=1, repair=scenario.is_repair)
    check_nothing_lost(place, scenario.raw)
    assert tree_of(place.data) == scenario.whole
