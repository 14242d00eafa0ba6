"""``eccl table1``: train the missing runs of the experiment table, then write the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eccl.commands.options import DryRunOption, JsonOption, WorkspaceOption
from eccl.templates import render
from eccl.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from eccl.study.arms import ArmTable
    from eccl.study.jobs import Job
    from eccl.study.train import Outcome, Progress


def table1(
    arms: Annotated[
        str | None,
        typer.Option(
            help="Arms of experiments/arms.yaml, or pre-trainings alone, separated by commas; default is all arms."
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Groups of arms, separated by commas: table, beyond, figure_2b; default is all.")
    ] = None,
    tasks: Annotated[str | None, typer.Option(help="Tasks of each arm, separated by commas; default is all.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of the table, separated by commas; default is all.")] = None,
    train_only: Annotated[
        bool, typer.Option("--train-only", help="Train only: do not score the test split or write the table.")
    ] = False,
    rescore: Annotated[
        str | None,
        typer.Option(
            metavar="REASON", help="Reason for scoring the test split once more, for another selection of runs."
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="With --dry-run: print every job and why it would run.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Train every run of the experiment table that is missing or out of date, then write reports/table1.

    Without options: every arm, task and seed. If a call is killed, the next one keeps the finished runs and resumes the
    current one from its last checkpoint. The test split is scored once, at the end, from a frozen selection: to train in
    several calls, use --train-only for all but the last. Arms are checked against the preset before anything is trained.
    Only the folder experiments/ is committed, with the test-access log.

    Example: eccl table1 --group table --seeds 42,43

    Example: eccl table1 --arms eccl,triplet --tasks traits,I21 --dry-run
    """
    from eccl.study.arms import open_table
    from eccl.study.checks import check_jobs, find_equal_arms
    from eccl.study.jobs import list_jobs

    place = find_workspace(workspace)
    table = open_table(place)
    jobs = list_jobs(table, _names(arms), _names(group), _names(tasks), _numbers(seeds))
    preset = check_jobs(place.params_file, table, jobs)
    equal = find_equal_arms(place.params_file, table, {job.variant for job in jobs})
    note = (
        f"under preset {preset}, arm {' and '.join(equal)} changes nothing: its runs are those of {table.reference}"
        if equal
        else ""
    )
    if dry_run:
        plan = _plan(place, table, jobs, preset)
        if as_json:
            typer.echo(json.dumps({**plan, "same_as_reference": equal}, indent=1))
        else:
            plan_text = render("commands/study/table1.txt.jinja", **plan, verbose=verbose, note=note, clock=_clock)
            typer.echo(plan_text, nl=False)
        return
    if note:
        _warn(note)
    is_pretraining_only = not set(_names(arms) or table.arms) & set(table.arms)
    outcome, text = _run(place, table, jobs, preset, rescore, is_scored=not (train_only or is_pretraining_only))
    if as_json:
        document = {"trained": list(outcome.trained), "unchanged": list(outcome.unchanged), "table": text}
        typer.echo(json.dumps(document, indent=1))
    else:
        typer.echo(_as_text(outcome, text))


def _run(
    place: Workspace, table: ArmTable, jobs: Sequence[Job], preset: str, rescore: str | None, is_scored: bool
) -> tuple[Outcome, str | None]:
    """Train what is missing and, where it `is_scored`, write the table; return the outcome and the table as Markdown."""
    from eccl.training.__main__ import prepare_cpu

    prepare_cpu()
    from eccl.study.record import record, why_not_recorded
    from eccl.study.table1.report import write_table1
    from eccl.study.train import run_jobs
    from eccl.versioning.repository import dvc_lock

    # Held to the end: no run is trained again while its selection is scored.
    with dvc_lock(place.root, "eccl table1"):
        if is_scored and not (rescore or "").strip():
            _require_reason(place, table, jobs)
        if warning := why_not_recorded(place):
            _warn(warning)
        try:
            with _shown(len(jobs)) as show:
                outcome = run_jobs(place, table, jobs, preset, show)
            return outcome, write_table1(place, table, jobs, rescore) if is_scored else None
        finally:
            # Also after an error: an access to the test split that was begun counts.
            if warning := record(place, "Table 1" if is_scored else "Experiments"):
                _warn(warning)


def _require_reason(place: Workspace, table: ArmTable, jobs: Sequence[Job]) -> None:
    """Require a reason for another access to the test split before the training, not after it.

    Raises
    ------
    SplitError
        The split was scored already, and some of the chosen runs are to be trained.
    """
    from eccl.errors import SplitError
    from eccl.evaluation.test_split.access_log import read_accesses
    from eccl.study.train import find_outdated

    accesses = read_accesses(place)
    if accesses and (outdated := find_outdated(place, table, jobs)):
        raise SplitError(
            f"{len(outdated)} of the {len(jobs)} chosen runs are to be trained, first {outdated[0][0].run} ({outdated[0][1]}), and the "
            f"test split was scored already for {len(accesses)} selections of runs; nothing was trained. Train them with `--train-only`, "
            'which does not read the split, or give the reason why it is scored once more (`--rescore "REASON"`)'
        )


def _warn(text: str) -> None:
    typer.echo(f"eccl: {text}", err=True)


def _plan(place: Workspace, table: ArmTable, jobs: Sequence[Job], preset: str) -> dict[str, Any]:
    """List all jobs, with the reasons of those that would run, and sum them by arm."""
    from eccl.study.plan import open_durations, summarise
    from eccl.study.train import find_outdated

    outdated = find_outdated(place, table, jobs)
    reasons = {job.run: reason for job, reason in outdated}
    durations = open_durations(place, preset)
    return {
        "jobs": [{**asdict(job), "parents": [*job.parents.values()], "reason": reasons.get(job.run)} for job in jobs],
        "variants": [asdict(variant) for variant in summarise(table, jobs, reasons, durations)],
        "to_run": len(reasons),
        "seconds": durations.remaining([job for job, _ in outdated]),
    }


@contextmanager
def _shown(total: int) -> Iterator[Callable[[Progress], None]]:
    """Show jobs on the error stream: a bar at a terminal, a line per job elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    left_column = TextColumn("{task.fields[left]}")
    is_terminal = console.is_terminal
    # Standard output belongs to the caller: a job's lines are redirected, and --json prints one document.
    with Bar(*columns, left_column, console=console, disable=not is_terminal, redirect_stdout=False) as bar:
        task = bar.add_task("table1", total=total, left="")

        def show(progress: Progress) -> None:
            left = "" if progress.left_s is None else f"left {_clock(progress.left_s)}"
            name = f"{progress.line or progress.job.run}"[: max(20, console.width - 60)]
            bar.update(task, completed=progress.done, description=name, left=left)
            if progress.event in {"finished", "failed"}:
                console.print(
                    f"[{progress.done}/{progress.total}] {progress.job.run} {progress.event}  {left}".rstrip(),
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )

        yield show


def _as_text(outcome: Outcome, text: str | None) -> str:
    trained, unchanged = len(outcome.trained), len(outcome.unchanged)
    line = f"{trained + unchanged} jobs: {trained} trained, {unchanged} were up to date"
    if text is None:
        return f"{line}; no table was written"
    return f"{text.rstrip()}\n\n{line}; the table is in reports/table1, `eccl publish` adds it to the store"


def _names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise typer.BadParameter(f"{text!r} names nothing; leave the option out to take all, or give names with commas")
    return names


def _numbers(text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(name) for name in _names(text) or ()]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} are no seeds; expected whole numbers with commas", param_hint="--seeds"
        ) from None


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
