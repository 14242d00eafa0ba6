"""experiments/s42/dvc.yaml and its like, made from the experiment table: a stage per job, with what it reads and exactly what it writes.

A seed has a file of its own, because DVC writes a file's whole lock anew after every stage.

Outputs are not copied into DVC's cache: at the paper's size the features of all arms are tens of gigabytes, which `dvc gc`
would throw away unasked. And experiments/.dvcignore keeps the files out of the workspace's own pipeline: `dvc repro`,
`dvc pull` and `dvc status` speak of one model per task, and :mod:`eccl.study.scheduler.stages` of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from eccl.data.files import replace_file
from eccl.errors import ConfigError
from eccl.study.scheduler.jobs import Job, list_jobs
from eccl.training.settings.arms import Arm, ArmTable, Naming, choose_naming, load_arms
from eccl.workspace import Workspace, shipped
from eccl.yaml_text import parse_yaml

FOLDER = "experiments"
LOCKS = f"{FOLDER}/s*/dvc.lock"
IGNORED = f"{FOLDER}/.dvcignore"
SEED_FOLDER = re.compile(r"s\d+")
_IGNORED_HEAD = "# These stages are run by `eccl table1`; `dvc repro`, `dvc pull` and `dvc status` leave them alone.\n"
_HEAD = """\
# Made from ../arms.yaml by `eccl table1`, which also runs it. Change that file, not this one.
# Every output is written aside and renamed, so DVC need not delete it first (persist).
"""
_KEPT = {"cache": False, "persist": True}
_KINDS = {"traits": ("trait",), "all": ("trait", "disease")}
"""Kinds of prediction by task; every other task is a disease."""
_READ_VIEWS = {"pretrain_cmr": ("cmr_embedding", "cmr_teacher"), "align": ("ecg_embedding",)}
"""Features of a parent that a job reads, by the parent's stage."""
_READ_SECTIONS = {
    "pretrain_ecg": ("pretrain_ecg",),
    "pretrain_cmr": ("pretrain_cmr",),
    "pretrain_cmae": ("pretrain_cmae", "pretrain_cmr", "pretrain_ecg"),
    "align": ("align", "pretrain_ecg"),
    "probe": ("probe",),
}
_WITH_CURVES = frozenset({"pretrain_ecg", "pretrain_cmr", "pretrain_cmae", "align"})


def pipeline_of(seed: int) -> str:
    """File that has the stages of a seed, below the workspace's root; DVC keeps its lock beside it."""
    return f"{FOLDER}/s{seed}/dvc.yaml"


def pipeline_text(table: ArmTable, seed: int) -> str:
    """Text of a seed's file: every job of the table with that seed."""
    content = {
        "vars": ["../../params.yaml:preset"],
        "stages": {job.dvc_stage: dvc_stage(table, job) for job in list_jobs(table, seeds=[seed])},
    }
    return _HEAD + yaml.dump(content, Dumper=LineDumper, sort_keys=False, default_flow_style=None, width=10_000)


def open_table(workspace: Workspace) -> ArmTable:
    """Read a workspace's experiment table.

    Raises
    ------
    ConfigError
        The workspace was made before there was one, or the table has problems.
    """
    if not workspace.arms_file.is_file():
        raise ConfigError(
            f"this workspace has no {FOLDER}/{workspace.arms_file.name}: it was made by an older version; bring it here with "
            f"`mkdir -p {workspace.root / FOLDER} && cp {shipped(FOLDER) / workspace.arms_file.name} {workspace.arms_file}`, "
            "and take over the sections that the shipped params.yaml has beside yours"
        )
    return load_arms(workspace.arms_file)


def ignored_text(table: ArmTable) -> str:
    """Text of experiments/.dvcignore: the files of the table's seeds, and of nobody else."""
    return _IGNORED_HEAD + "".join(f"/s{seed}/dvc.yaml\n/s{seed}/dvc.lock\n" for seed in table.seeds)


def outdated_stages(workspace: Workspace, table: ArmTable, jobs: Iterable[Job]) -> set[str]:
    """Jobs, by their DVC stage, whose stage is not the table's or not written yet."""
    written: dict[int, Mapping[str, Any]] = {}
    found = set()
    for job in jobs:
        if job.seed not in written:
            written[job.seed] = _read_stages(workspace.root / pipeline_of(job.seed))
        if written[job.seed].get(job.dvc_stage) != dvc_stage(table, job):
            found.add(job.dvc_stage)
    return found


def write_pipeline(workspace: Workspace, table: ArmTable) -> bool:
    """Bring the files of stages up to the table; return whether anything changed.

    Of a seed that is gone the stages go and the lock stays. Files of other people are left alone.
    """
    wanted = {workspace.root / IGNORED: ignored_text(table)}  # first: a stage is never seen by `dvc repro`
    wanted |= {workspace.root / pipeline_of(seed): pipeline_text(table, seed) for seed in table.seeds}
    outdated = {path: text for path, text in wanted.items() if not path.is_file() or path.read_text() != text}
    for path, text in outdated.items():
        path.parent.mkdir(exist_ok=True)
        replace_file(path, text.encode())
    gone = [path for path in (workspace.root / FOLDER).glob("s*/dvc.yaml") if path not in wanted and _is_ours(path)]
    for path in gone:
        path.unlink()
    return bool(outdated or gone)


def _is_ours(path: Path) -> bool:
    return bool(SEED_FOLDER.fullmatch(path.parent.name)) and path.read_text().startswith(_HEAD)


def _read_stages(path: Path) -> Mapping[str, Any]:
    """Stages of a file; none where there is no file."""
    if not path.is_file():
        return {}
    content = parse_yaml(path.read_text())
    stages: Mapping[str, Any] = (content or {}).get("stages") or {}
    return stages


def dvc_stage(table: ArmTable, job: Job) -> dict[str, Any]:
    """One job as a stage of DVC, which runs in the workspace's own folder."""
    naming = choose_naming(table, job.stage, job.variant, job.seed)
    task = "" if job.task is None else f" --task {job.task}"
    stage: dict[str, Any] = {
        "wdir": "../..",
        "cmd": f"python -m eccl.training {job.stage}{task} --variant {job.variant} --seed {job.seed}",
        "deps": ["data", "reports/gate/gate.json", *_inputs(job)],
        "params": [*_settings(table, job), {"experiments/arms.yaml": _lines_of(table, naming)}],
        "outs": [_output(path) for path in _outputs(table, job)],
    }
    if job.stage in _WITH_CURVES:
        stage["metrics"] = [_output(f"reports/curves/{job.run}/metrics.json")]
        stage["plots"] = [{f"reports/curves/{job.run}/plots": {"x": "step", **_KEPT}}]
    return stage


def _inputs(job: Job) -> Iterator[str]:
    """What is read of the parents: the teacher's features come from the store, a probe reads embeddings."""
    for parent in job.parents:
        yield f"models/{parent}"
        stage = parent.partition(".")[0].partition("-")[0]
        yield from (f"features/{view}/{parent}.parquet" for view in _READ_VIEWS.get(stage, ()))


def _settings(table: ArmTable, job: Job) -> list[str]:
    """Keys of params.yaml that the stage reads: its sections, and what the variant takes from elsewhere in the preset."""
    own = table.parts.get(job.stage, {}).get(job.variant)
    changes = table.arms[job.variant].changes if own is None else own
    used = [value["use"] for value in changes.values() if isinstance(value, Mapping) and set(value) == {"use"}]
    keys = ["preset", *(f"presets.${{preset}}.{place}" for place in (*_READ_SECTIONS[job.stage], *used))]
    return keys if job.task in {None, "traits"} else ["cohort.label_definition", *keys]


def _lines_of(table: ArmTable, naming: Naming) -> list[str]:
    """Keys of experiments/arms.yaml that the run follows from; its title and the paper's figures are none of them."""
    if naming.variant in table.parts.get(naming.stage, {}):
        return [f"parts.{naming.stage}.{naming.variant}"]
    arm = table.arms[naming.variant]
    parts = [f"parts.{stage}.{part}" for stage, part in arm.parts.items() if stage in table.parts]
    return [f"arms.{arm.key}.changes", f"arms.{arm.key}.parts", *parts]


def _outputs(table: ArmTable, job: Job) -> list[str]:
    views = [f"features/{view}/{job.run}.parquet" for view in _views(table, job)]
    return [f"models/{job.run}", *views]


def _views(table: ArmTable, job: Job) -> Iterator[str]:
    kinds = _KINDS.get(str(job.task), ("disease",))
    if job.stage == "pretrain_cmr":
        yield from ("cmr_embedding", "cmr_teacher", *(f"cmr_{kind}_prediction" for kind in kinds))
    if job.stage == "align":
        yield "ecg_embedding"
        if has_contrast(table.arms[job.variant]):
            yield from ("ecg_projection", "cmr_projection")
    if job.stage in {"align", "probe"}:
        yield from (f"{kind}_prediction" for kind in kinds)


def has_contrast(arm: Arm) -> bool:
    """Whether an arm of stage align has a CMR teacher; without one there is no shared space to project into.

    Arms name the parts they use and no others (:func:`eccl.training.settings.arms.part_problems`).
    """
    return "pretrain_cmr" in arm.parts


def _output(path: str) -> dict[str, dict[str, bool]]:
    return {path: dict(_KEPT)}


class LineDumper(yaml.SafeDumper):
    """Writes lists and mappings that hold nothing but values on one line, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
