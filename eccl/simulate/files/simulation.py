"""Write a whole raw cohort in UK Biobank's own formats, or its tables alone."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from eccl.data.files import replace_file
from eccl.errors import ConfigError
from eccl.simulate.cohort import CohortPlan, plan_cohort
from eccl.simulate.config import SimulationConfig
from eccl.simulate.files.cohort_files import Product, Task, WrittenFile, tabulate_participant, write_participant
from eccl.simulate.files.tables import WITHDRAWAL_NAME, withdrawal_list, write_tables
from eccl.simulate.heart.physiology import DISEASES

MANIFEST_NAME = "simulation.json"
STARTED_NAME = "simulation.started"  # there while a folder is incomplete; holds the hash of its recipe and its content
TRUTH_NAME = "truth.txt"
TRUTH_COLUMNS = ("eid", "instance", "kind", "corruption", "expected")

Content = Literal["files", "tables"]  # tables: no raw file was written
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CorruptionCount:
    """How many files of a modality were corrupted in one way, and what a reader should do."""

    modality: str
    corruption: str
    expected: str
    files: int


@dataclass(frozen=True, slots=True)
class SimulationSummary:
    """What a cohort's folder holds; no ids.

    `cases` counts participants per disease ever, `reused` is true where an earlier run had already written everything.
    """

    config_sha256: str
    participants: int
    second_visits: int
    ecg_files: int
    cine_files: int
    withdrawn: int
    cases: dict[str, int]
    corruptions: tuple[CorruptionCount, ...]
    reused: bool = False


def simulate_cohort(
    out: Path,
    config: SimulationConfig,
    *,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> SimulationSummary:
    """Write a cohort's raw files and tables; equal configurations give equal bytes, whatever `workers` is.

    Parameters
    ----------
    out
        Folder to write into; made when absent. A folder that already holds this very cohort is left as it is.
    workers
        Processes; 1 works in this one.
    on_progress
        Called with (participants done, participants) after each participant.

    Raises
    ------
    ConfigError
        The folder holds another cohort or other files.
    """
    return _simulate(Path(out), config, "files", write_participant, workers, on_progress)


def simulate_tables(out: Path, config: SimulationConfig) -> SimulationSummary:
    """Write a cohort's tables, withdrawal list and truth table only: for arrays that go straight into a workspace.

    Raises
    ------
    ConfigError
        The folder holds another cohort, this cohort's raw files, or other files.
    """
    return _simulate(Path(out), config, "tables", tabulate_participant, 1, None)


def plan_simulation(out: Path, config: SimulationConfig, content: Content = "files") -> SimulationSummary:
    """Return what a simulation would write into a folder; nothing is written.

    Raises
    ------
    ConfigError
        The simulation itself would refuse the folder.
    """
    return _earlier_run(Path(out), config, content) or _summarise(config, plan_cohort(config))


def _simulate(
    out: Path,
    config: SimulationConfig,
    content: Content,
    work: Callable[[Task], Product],
    workers: int,
    on_progress: Progress | None,
) -> SimulationSummary:
    done = _earlier_run(out, config, content)
    if done is not None:
        return done
    out.mkdir(parents=True, exist_ok=True)
    (out / STARTED_NAME).write_text(_mark(config, content))
    plan = plan_cohort(config)
    tasks = [Task(out, config, person, plan.corruptions.get(person.index, ())) for person in plan.people]
    products = []
    for product in _run(work, tasks, workers):
        products.append(product)
        if on_progress is not None:
            on_progress(len(products), len(tasks))
    files = [file for product in products for file in product.files]
    write_tables(out / "tables", [person.eid for person in plan.people], [product.row for product in products])
    (out / WITHDRAWAL_NAME).write_bytes(withdrawal_list(list(plan.withdrawn)))
    (out / TRUTH_NAME).write_text(_truth_table(files))
    summary = _summarise(config, plan)
    _finish(out, config, content, summary)
    return summary


def _mark(config: SimulationConfig, content: Content) -> str:
    return f"{config.digest()} {content}\n"


def _earlier_run(out: Path, config: SimulationConfig, content: Content) -> SimulationSummary | None:
    manifest, started = out / MANIFEST_NAME, out / STARTED_NAME
    if manifest.is_file():
        found = json.loads(manifest.read_text())
        if found["summary"]["config_sha256"] != config.digest():
            raise ConfigError(
                f"{out} holds a simulated cohort of another configuration; expected an empty folder or the same "
                "configuration; choose another folder or delete this one"
            )
        if found["content"] != content:
            raise ConfigError(
                f"{out} holds the {found['content']} of this cohort; expected its {content}; raw files are read "
                "with `eccl ingest`, arrays without files need a folder of their own; choose another folder"
            )
        return _summary_from_json(found["summary"])
    if not out.exists() or not any(out.iterdir()):
        return None
    if started.is_file() and started.read_text() == _mark(config, content):
        return None  # an interrupted run of the same recipe: writing again gives the same bytes
    raise ConfigError(
        f"{out} is not empty and holds no {MANIFEST_NAME}; expected an empty folder or an earlier simulation; "
        "choose another folder or delete this one"
    )


def _run(work: Callable[[Task], Product], tasks: list[Task], workers: int) -> Iterator[Product]:
    """Products in the order of the tasks."""
    if workers <= 1 or len(tasks) < 2:
        yield from map(work, tasks)
        return
    # Spawned processes inherit neither threads nor locks of a flow runner.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
        yield from pool.map(work, tasks)


def _truth_table(files: list[WrittenFile]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(TRUTH_COLUMNS)
    writer.writerows((f.eid, f.instance, f.modality, f.corruption, f.expected) for f in files)
    return buffer.getvalue()


def _summarise(config: SimulationConfig, plan: CohortPlan) -> SimulationSummary:
    visits = [visit for person in plan.people for visit in person.visits]
    corrupted = Counter((c.modality, c.kind, c.expected) for those in plan.corruptions.values() for c in those)
    return SimulationSummary(
        config_sha256=config.digest(),
        participants=len(plan.people),
        second_visits=sum(len(person.visits) > 1 for person in plan.people),
        ecg_files=sum(visit.has_ecg for visit in visits),
        cine_files=sum(visit.has_cine for visit in visits),
        withdrawn=len(plan.withdrawn),
        cases={code: sum(code in person.onset_years for person in plan.people) for code in DISEASES},
        corruptions=tuple(CorruptionCount(*key, count) for key, count in sorted(corrupted.items())),
    )


def _summary_from_json(found: dict[str, Any]) -> SimulationSummary:
    counts = tuple(CorruptionCount(**count) for count in found["corruptions"])
    return SimulationSummary(**{**found, "corruptions": counts, "reused": True})


def _finish(out: Path, config: SimulationConfig, content: Content, summary: SimulationSummary) -> None:
    """Write the manifest last and by rename: a folder with a manifest is complete."""
    manifest = {"config": config.model_dump(mode="json"), "content": content, "summary": asdict(summary)}
    replace_file(out / MANIFEST_NAME, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())
    (out / STARTED_NAME).unlink()
