"""Checks of the machine and the installation for a workspace."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from eccl.errors import ConfigError
from eccl.workspace import Workspace

OK, WARNING, PROBLEM = "ok", "warning", "problem"
_INSTALL = "install it again with the ranges of pyproject.toml: `pip install --editable .`, or `make install`"


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check.

    Parameters
    ----------
    state
        ``ok``; ``warning``: something is slow, incomplete or unsafe; ``problem``: something will fail.
    found
        What was found. Never a credential, and never a participant id.
    remedy
        What to do; empty for ``ok``.
    """

    name: str
    state: str
    found: str
    remedy: str = ""


def examine(
    workspace: Workspace | None, *, workers: int | None = None, import_torch: bool = False
) -> tuple[Check, ...]:
    """Check the installation, and the machine and its surroundings for a workspace. Nothing is changed.

    Parameters
    ----------
    workspace
        None checks the installation alone.
    workers
        Worker processes that memory is checked for; default is one per processor.
    import_torch
        Import torch too, in its own process; takes seconds.
    """
    return tuple(_examine(workspace, workers or os.cpu_count() or 1, import_torch))


def is_fit(checks: tuple[Check, ...]) -> bool:
    """Whether no check found a problem."""
    return all(check.state != PROBLEM for check in checks)


def _examine(workspace: Workspace | None, workers: int, import_torch: bool) -> Iterator[Check]:
    yield _check_python()
    yield check_packages()
    yield _check_git()
    yield _check_gpu()
    if import_torch:
        yield _import_torch()
    if workspace is None:
        yield Check("workspace", WARNING, "none here; only the installation was checked", "`eccl init FOLDER`")
        return
    from eccl.config import load_params
    from eccl.operations.machine import check_machine
    from eccl.operations.surroundings import check_surroundings

    try:
        params = load_params(workspace.params_file)
    except ConfigError as error:
        yield Check("params.yaml", PROBLEM, str(error), "correct the file")
    else:
        yield Check("params.yaml", OK, f"valid; preset {params.preset}")
        yield from check_machine(workspace, params, workers)
    yield from check_surroundings(workspace)


def _check_python() -> Check:
    found = platform.python_version()
    wanted = distribution("eccl").metadata["Requires-Python"] if _version("eccl") else ">=3.11"
    if found in SpecifierSet(wanted):
        return Check("python", OK, f"{found}; {wanted} is required")
    return Check("python", PROBLEM, f"{found}; {wanted} is required", "make the environment with another Python")


def check_packages(package: str = "eccl") -> Check:
    """Check that every package that one requires, directly or not, is installed in a version that its requirers accept."""
    try:
        distribution(package)
    except PackageNotFoundError:
        return Check("packages", WARNING, f"{package} is not installed, it runs from its folder", _INSTALL)
    wrong: list[str] = []
    seen = {package}
    waiting = [package]
    while waiting:
        requirer = waiting.pop()
        for needed in _requirements(requirer):
            installed = _version(needed.name)
            if installed is None:
                wrong.append(f"{needed.name} is missing")
            elif not needed.specifier.contains(installed.partition("+")[0], prereleases=True):
                wrong.append(f"{needed.name} {installed}, {requirer} requires {needed.specifier}")
            if installed is not None and needed.name not in seen:
                seen.add(needed.name)
                waiting.append(needed.name)
    if wrong:
        return Check("packages", PROBLEM, "; ".join(sorted(set(wrong))), _INSTALL)
    return Check("packages", OK, f"all {len(seen)} are installed in versions that fit together")


def _requirements(package: str) -> list[Requirement]:
    declared = [Requirement(text) for text in distribution(package).requires or []]
    return [one for one in declared if one.marker is None or one.marker.evaluate({"extra": ""})]


def _check_git() -> Check:
    if shutil.which("git") is None:
        return Check("git", PROBLEM, "not installed: versions cannot be recorded", "install git")
    done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False)
    return Check("git", OK, done.stdout.strip())


def _check_gpu() -> Check:
    if shutil.which("nvidia-smi") is None:
        return Check("gpu", OK, "none; preset demo trains on processors, preset paper needs a GPU")
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=10)
        devices = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    except (OSError, subprocess.SubprocessError):
        devices = []
    if not devices:
        return Check("gpu", WARNING, "nvidia-smi lists no device", "check driver and devices with `nvidia-smi`")
    if "+cpu" in (_version("torch") or ""):
        return Check("gpu", WARNING, f"{len(devices)}, but torch is built for processors", "install torch's CUDA build")
    return Check("gpu", OK, f"{len(devices)}: {devices[0]}")


def _import_torch() -> Check:
    code = "import torch; print(torch.__version__, 'CUDA devices:', torch.cuda.device_count())"
    # In its own process: the import takes seconds, and a broken build may end the process.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        return Check("torch import", PROBLEM, f"it fails (exit {done.returncode})", _INSTALL)
    return Check("torch import", OK, done.stdout.strip())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
