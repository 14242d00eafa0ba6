"""What DVC knows of the experiments' stages: which are out of date, and how one of them is run.

experiments/.dvcignore hides the stages from the workspace's own pipeline; here they are seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from dvc.ignore import DvcIgnoreFilter
from dvc.repo import Repo

from eccl.errors import VersionError
from eccl.study.scheduler.pipeline import FOLDER, SEED_FOLDER

_FILES = re.compile(rf"/{FOLDER}/{SEED_FOLDER.pattern}/dvc\.(yaml|lock)$")


class _Seen(DvcIgnoreFilter):  # type: ignore[misc]  # DVC has no types
    """DVC's own reading of .dvcignore, but for the files of the experiments."""

    def is_ignored_file(self, path: str, ignore_subrepos: bool = True) -> bool:
        return not _FILES.search(path) and bool(super().is_ignored_file(path, ignore_subrepos))


class ExperimentsRepo(Repo):  # type: ignore[misc]
    """A workspace as DVC sees it, experiments included."""

    @cached_property
    def dvcignore(self) -> DvcIgnoreFilter:
        return _Seen(self.fs, self.root_dir)


def read_stale(root: Path, pipelines: Sequence[str]) -> dict[str, str]:
    """Stages whose inputs or outputs changed, or that never ran, each with what changed.

    Parameters
    ----------
    pipelines
        Files of stages, below the root.

    Raises
    ------
    VersionError
        The folder is under no DVC, or DVC cannot read the pipeline.
    """
    from dvc.exceptions import DvcException

    try:
        with ExperimentsRepo(str(root)) as repo:
            found: Mapping[str, Any] = repo.status(targets=[str(root / name) for name in pipelines])
    except DvcException as error:
        raise VersionError(
            f"DVC cannot tell which experiments are up to date ({type(error).__name__}: {error}); "
            "a workspace needs `git init` and `dvc init`, and params.yaml the presets' sections"
        ) from error
    return {name.rpartition(":")[2]: ", ".join(_reasons(changes)) for name, changes in found.items()}


def run_stage(root: Path, address: str) -> bool:
    """Run one stage if something it depends on changed; return whether it ran. Its output goes where this process' goes.

    Parameters
    ----------
    address
        File below the root and name: ``experiments/s42/dvc.yaml:align-I21-eccl-s42``.

    Raises
    ------
    dvc.exceptions.DvcException
        The stage failed, or DVC could not begin.
    """
    with ExperimentsRepo(str(root)) as repo:
        return bool(repo.reproduce(targets=[str(root / address)], single_item=True))


def _reasons(changes: Iterable[Mapping[str, Mapping[str, Any]] | str]) -> Iterable[str]:
    """``changed deps`` and the like; a stage that never ran has nothing but news."""
    for change in changes:
        yield change if isinstance(change, str) else next(iter(change))
