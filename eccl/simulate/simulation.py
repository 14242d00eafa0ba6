"""Write a whole raw cohort in UK Biobank's own formats."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eccl.errors import ConfigError
from eccl.simulate.cohort import STREAM_PLAN, Participant, draw_cohort
from eccl.simulate.cohort_files import Product, Task, WrittenFile, write_participant
from eccl.simulate.config import SimulationConfig
from eccl.simulate.corruption import Modality, PlannedCorruption, plan_corruptions
from eccl.simulate.physiology import DISEASES
from eccl.simulate.tables import WITHDRAWAL_NAME, withdrawal_list, write_tables

MANIFEST_NAME = "simulation.json"
STARTED_NAME = "simulation.started"  # there while a folder is incomplete; holds the hash of its recipe
TRUTH_NAME = "truth.txt"
TRUTH_COLUMNS = ("eid", "instance", "kind", "corruption", "expected")


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

    `cases` counts participants per disease ever, `reused` tells that an earlier run had already written everything.
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
    on_progress: Callable[[int, int], None] | None = None,
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
    out = Path(out)
    done = _earlier_run(out, config)
    if done is not None:
        return done
    out.mkdir(parents=True, exist_ok=True)
    (out / STARTED_NAME).write_text(config.digest() + "\n")
    people = draw_cohort(config)
    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(STREAM_PLAN,)))
    plan = plan_corruptions(_all_files(people), config.corruption_share, rng)
    products = []
    for product in _run([_task(out, config, person, plan) for person in people], workers):
        products.append(product)
        if on_progress is not None:
            on_progress(len(products), len(people))
    files = [file for product in products for file in product.files]
    withdrawn = _choose_withdrawn(people, plan, config.withdrawn, rng)
    write_tables(out / "tables", [person.eid for person in people], [product.row for product in products])
    (out / WITHDRAWAL_NAME).write_bytes(withdrawal_list(withdrawn))
    (out / TRUTH_NAME).write_text(_truth_table(files))
    summary = _summarise(config, people, files, len(withdrawn))
    _finish(out, config, summary)
    return summary


def _earlier_run(out: Path, config: SimulationConfig) -> SimulationSummary | None:
    manifest, started = out / MANIFEST_NAME, out / STARTED_NAME
    if manifest.is_file():
        found = json.loads(manifest.read_text())
        if found["summary"]["config_sha256"] == config.digest():
            return _summary_from_json(found["summary"])
        raise ConfigError(
            f"{out} holds a simulated cohort of another configuration; expected an empty folder or the same "
            "configuration; choose another folder or delete this one"
        )
    if not out.exists() or not any(out.iterdir()):
        return None
    if started.is_file() and started.read_text().strip() == config.digest():
        return None  # an interrupted run of the same recipe: writing again gives the same bytes
    raise ConfigError(
        f"{out} is not empty and holds no {MANIFEST_NAME}; expected an empty folder or an earlier simulation; "
        "choose another folder or delete this one"
    )


def _all_files(people: Iterable[Participant]) -> list[tuple[int, int, Modality]]:
    files: list[tuple[int, int, Modality]] = []
    for person in people:
        for visit in person.visits:
            if visit.has_ecg:
                files.append((person.index, visit.instance, "ecg"))
            if visit.has_cine:
                files.append((person.index, visit.instance, "cine"))
    return files


def _task(out: Path, config: SimulationConfig, person: Participant, plan: list[PlannedCorruption]) -> Task:
    return Task(out, config, person, tuple(c for c in plan if c.index == person.index))


def _run(tasks: list[Task], workers: int) -> Iterator[Product]:
    """Products in the order of the tasks."""
    if workers <= 1 or len(tasks) < 2:
        yield from map(write_participant, tasks)
        return
    # Spawned processes inherit neither threads nor locks of a flow runner.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
        yield from pool.map(write_participant, tasks)


def _choose_withdrawn(
    people: tuple[Participant, ...], plan: list[PlannedCorruption], count: int, rng: np.random.Generator
) -> list[int]:
    """People with intact files of both kinds where there are enough, so that a withdrawal has something to remove."""
    corrupted = {c.index for c in plan}
    shuffled = [people[i] for i in rng.permutation(len(people))]
    shuffled.sort(
        key=lambda person: not person.imaging.has_ecg or not person.imaging.has_cine or person.index in corrupted
    )
    return [person.eid for person in shuffled[:count]]


def _truth_table(files: list[WrittenFile]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(TRUTH_COLUMNS)
    writer.writerows((f.eid, f.instance, f.modality, f.corruption, f.expected) for f in files)
    return buffer.getvalue()


def _summarise(
    config: SimulationConfig, people: tuple[Participant, ...], files: list[WrittenFile], withdrawn: int
) -> SimulationSummary:
    modalities = Counter(file.modality for file in files)
    corrupted = Counter((f.modality, f.corruption, f.expected) for f in files if f.corruption != "none")
    return SimulationSummary(
        config_sha256=config.digest(),
        participants=len(people),
        second_visits=sum(len(person.visits) > 1 for person in people),
        ecg_files=modalities["ecg"],
        cine_files=modalities["cine"],
        withdrawn=withdrawn,
        cases={code: sum(code in person.onset_years for person in people) for code in DISEASES},
        corruptions=tuple(CorruptionCount(*key, count) for key, count in sorted(corrupted.items())),
    )


def _summary_from_json(found: dict[str, Any]) -> SimulationSummary:
    counts = tuple(CorruptionCount(**count) for count in found["corruptions"])
    return SimulationSummary(**{**found, "corruptions": counts, "reused": True})


def _finish(out: Path, config: SimulationConfig, summary: SimulationSummary) -> None:
    """Write the manifest last and by rename: a folder with a manifest is complete."""
    content = {"config": config.model_dump(mode="json"), "summary": asdict(summary)}
    aside = out / f"{MANIFEST_NAME}.part"
    aside.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    aside.replace(out / MANIFEST_NAME)
    (out / STARTED_NAME).unlink()
