"""The sample version that ships with the project, and how it is kept read-only.

It is in ``sample/remote``. That remote is never a default, and every reference to it has ``remote: sample`` and
``push: false``: DVC pulls from it and has no way to push there. A user's own version drops both lines, so it can only go
to a remote the user configured.
"""

from __future__ import annotations

from pathlib import Path

REMOTE = "sample"
FOLDER = "sample"
_MARKS = frozenset({"remote: sample", "push: false"})


def without_sample(text: str) -> str:
    """Drop every reference to the sample remote from the text of data.dvc or dvc.yaml."""
    return "".join(line for line in text.splitlines(keepends=True) if line.strip() not in _MARKS)


def is_sample(root: Path, name: str, url: str) -> bool:
    """Whether a DVC remote is the sample's, by name or because it points into the sample folder."""
    if name == REMOTE:
        return True
    if "://" in url:
        return False
    # DVC resolves relative remotes from its configuration's folder.
    target, sample = (root / ".dvc" / url).resolve(), (root / FOLDER).resolve()
    return target == sample or sample in target.parents
