"""Python and packages against what this one declares; nothing heavy is imported, their metadata is enough."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.metadata import metadata as read_metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from eccl.operations.checks import Check, ok, problem, warning

_INSTALL = "install it again with the ranges of pyproject.toml: `pip install --editable .`, or `make install`"


def check_installation(*, import_torch: bool = False) -> Iterator[Check]:
    """Check Python, packages, the pairs that resolvers get wrong, git, and the GPU."""
    yield from _check_python()
    yield _check_packages()
    yield _check_prefect()
    yield _check_torch()
    yield _check_git()
    yield _check_gpu()
    if import_torch:
        yield _import_torch()


def _check_python() -> Iterator[Check]:
    found = platform.python_version()
    try:
        wanted = str(read_metadata("eccl").json.get("requires_python") or "")
    except PackageNotFoundError:
        yield warning(
            "package", "eccl is not installed, it runs from its folder", "`pip install --editable .` in its folder"
        )
        wanted = ">=3.11"
    if Version(found) in SpecifierSet(wanted):
        yield ok("python", f"{found}, {wanted} is needed")
    else:
        yield problem("python", f"{found}, {wanted} is needed", "make the environment with another Python")


def _check_packages() -> Check:
    try:
        needed = [Requirement(text) for text in requires("eccl") or []]
    except PackageNotFoundError:
        return warning(
            "packages", "cannot be compared: eccl is not installed", "`pip install --editable .` in its folder"
        )
    needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = []
    for one in needed:
        installed = _version(one.name)
        if installed is None:
            wrong.append(f"{one.name} is missing")
        elif not one.specifier.contains(installed, prereleases=True):
            wrong.append(f"{one.name} {installed}, wanted {one.specifier}")
    if wrong:
        return problem("packages", "; ".join(wrong), _INSTALL)
    return ok("packages", f"all {len(needed)} are there and in range")


def _check_prefect() -> Check:
    prefect, fastapi = _version("prefect"), _version("fastapi")
    if prefect is None or fastapi is None:
        return problem("prefect", "prefect or fastapi is missing: flows cannot run", _INSTALL)
    if Version(fastapi) >= Version("0.151"):
        return problem(
            "prefect",
            f"{prefect} with fastapi {fastapi}: its server fails on the first run",
            "`pip install 'fastapi<0.151'`",
        )
    return ok("prefect", f"{prefect} with fastapi {fastapi}")


def _check_torch() -> Check:
    torch, vision = _version("torch"), _version("torchvision")
    if torch is None:
        return problem("torch", "it is missing: nothing can be trained", _INSTALL)
    if vision is None:
        return problem("torch", f"{torch} without torchvision: timm cannot be imported", _INSTALL)
    named = [Requirement(text) for text in requires("torchvision") or []]
    pins = [one.specifier for one in named if one.name == "torch"]
    if pins and not pins[0].contains(Version(torch).public, prereleases=True):
        return problem("torch", f"{torch} with torchvision {vision}, which wants torch{pins[0]}", _INSTALL)
    return ok("torch", f"{torch} with torchvision {vision}")


def _check_git() -> Check:
    if shutil.which("git") is None:
        return problem("git", "it is not installed: versions cannot be recorded", "install git")
    return ok("git", subprocess.run(["git", "--version"], capture_output=True, text=True, check=False).stdout.strip())


def _check_gpu() -> Check:
    devices = _list_gpus()
    if devices is None:
        return ok("gpu", "none; the preset demo trains on processors, the preset paper wants a GPU")
    if not devices:
        return warning(
            "gpu", "nvidia-smi is there and lists no device", "look at `nvidia-smi`: driver, or devices given away"
        )
    if "+cpu" in (_version("torch") or ""):
        return warning(
            "gpu", f"{len(devices)} devices, but torch is built for processors", "install torch's CUDA build"
        )
    return ok("gpu", f"{len(devices)}: {devices[0]}")


def _list_gpus() -> list[str] | None:
    """Names of the GPUs; None where there is no driver."""
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if not done.returncode else []


def _import_torch() -> Check:
    code = "import torch; print(torch.__version__, torch.cuda.is_available(), torch.cuda.device_count())"
    # In a process of its own: the import takes seconds, and a broken build may end the process.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        return problem("torch import", f"it fails (exit {done.returncode})", _INSTALL)
    found, has_cuda, devices = done.stdout.split()
    return ok(
        "torch import", f"{found}, CUDA {'on ' + devices + ' devices' if has_cuda == 'True' else 'not available'}"
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
