"""Versions of data/: recorded with DVC and git, listed from git's history of data.dvc.

The sample version that ships with the project is in ``sample/remote``. That remote is never a default, and every reference
to it has ``remote: sample`` and ``push: false``: DVC pulls from it and cannot push to it. A user's own version drops both
lines, so it is pushed only to a remote that the user configured.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from eccl.data.files import replace_file, sweep
from eccl.data.lock import writing
from eccl.data.parts import data_version, read_table, table_files
from eccl.errors import VersionError, WorkspaceError
from eccl.versioning.gate import GateStatus, require_passed_gate
from eccl.versioning.repository import has_git, run_dvc, run_git
from eccl.workspace import Workspace
from eccl.yaml_text import parse_yaml

DVC_FILE = "data.dvc"
PIPELINE = "dvc.yaml"
SAMPLE = "sample"
"""Name of the sample's remote, and of its folder."""
_SAMPLE_LINES = frozenset({"remote: sample", "push: false"})
WITHDRAWN = ("ledger/tombstones.json", "ledger/withdrawals")
"""Committed with every version: a clone without tombstones would ingest withdrawn participants again."""


@dataclass(frozen=True, slots=True)
class DataVersion:
    """One recorded version of data/, or the unrecorded one in the workspace."""

    data_version: str
    dvc_md5: str | None
    git_commit: str | None
    recorded_at: datetime | None
    is_current: bool
    participants: int | None
    recordings: int | None
    cines: int | None
    quarantined: int | None

    def to_row(self) -> dict[str, Any]:
        """Row of the table data_versions."""
        return asdict(self)

    @property
    def command(self) -> str:
        """Command that restores this version."""
        if self.git_commit is None:
            return "-"
        return f"git checkout {self.git_commit[:10]} -- {DVC_FILE} && dvc pull {DVC_FILE}"


def count_rows(data: Path) -> dict[str, int]:
    """Rows that describe a version's size."""
    tables: dict[str, tuple[str, list[str] | None]] = {
        "participants": ("participants", ["eid"]),
        "recordings": ("recordings", ["row"]),
        "cines": ("cines", ["row"]),
        "quarantined": ("quarantine", None),  # whole: superseded rows are not counted
    }
    return {
        name: read_table(data, table, columns).num_rows if table_files(data, table) else 0
        for name, (table, columns) in tables.items()
    }


def list_versions(workspace: Workspace) -> list[DataVersion]:
    """Versions in git's history of data.dvc, newest first; then the workspace's own if it is not among them."""
    current = _current(workspace)
    found: list[DataVersion] = []
    for line in run_git(workspace.root, "log", "--format=%H %ct", "--", DVC_FILE, check=False).splitlines():
        commit, stamp = line.split()
        content = run_git(workspace.root, "show", f"{commit}:./{DVC_FILE}", check=False)
        if not content:
            continue  # the commit that removed it
        entry = parse_yaml(content)
        meta = (entry.get("meta") or {}).get("eccl") or {}
        known = meta.get("data_version", "")
        if any(version.data_version == known for version in found):
            continue
        found.append(
            DataVersion(
                data_version=known,
                dvc_md5=entry["outs"][0].get("md5"),
                git_commit=commit,
                recorded_at=datetime.fromtimestamp(int(stamp), tz=UTC).replace(tzinfo=None),
                is_current=known == current,
                **{name: meta.get(name) for name in ("participants", "recordings", "cines", "quarantined")},
            )
        )
    if current and not any(version.is_current for version in found):
        counts = count_rows(workspace.data)
        found.append(DataVersion(current, None, None, None, is_current=True, **counts))
    return found


def record_version(workspace: Workspace, *, message: str | None = None) -> DataVersion:
    """Record data/ as a new version: ``dvc add``, then a commit whose message holds counts only.

    Nothing is pushed here; see :func:`push_version`.

    Raises
    ------
    GateError
        The gate failed, is missing, or belongs to other data.
    VersionError
        The workspace is not a git and DVC repository, or one of their commands failed.
    """
    gate = require_passed_gate(workspace)
    root = workspace.root
    if not (root / ".dvc").is_dir():
        raise VersionError(
            "the workspace is not a DVC repository; make one with `git init && dvc init`, or use `eccl init FOLDER`"
        )
    with writing(workspace.state, "ingest --record"):
        sweep(workspace.data)
        counts = count_rows(workspace.data)
        run_dvc(root, "add", "--quiet", "data")
        _annotate(workspace, gate, counts)
    body = ", ".join(f"{count} {name}" for name, count in counts.items())
    subject = message or f"Data version {gate.data_version}"
    # The parameters are committed with the data that was made with them.
    _commit(root, (DVC_FILE, PIPELINE, "params.yaml", ".gitignore", *WITHDRAWN), subject, f"{body}; gate {gate.status}")
    return next(version for version in list_versions(workspace) if version.is_current)


def record_runs(workspace: Workspace) -> None:
    """Commit dvc.lock, which names the outputs of every stage by hash; a workspace without git is unchanged.

    Raises
    ------
    VersionError
        git failed.
    """
    if has_git(workspace.root):
        version = data_version(workspace.data)
        _commit(
            workspace.root,
            ("dvc.lock", PIPELINE, "params.yaml"),
            f"Runs on data version {version}",
            "Stages as in dvc.lock",
        )


def record_withdrawals(workspace: Workspace) -> None:
    """Commit tombstones and certificates, which a purge completes after the version was recorded.

    Raises
    ------
    VersionError
        git failed.
    """
    if has_git(workspace.root):
        _commit(workspace.root, WITHDRAWN, "Withdrawal: older versions purged", "Certificate as in ledger/withdrawals")


def _commit(root: Path, names: tuple[str, ...], subject: str, body: str) -> None:
    files = [name for name in names if (root / name).exists()]
    if not files:
        return
    run_git(root, "add", "--", *files)
    if run_git(root, "status", "--porcelain", "--", *files):
        run_git(root, "commit", "--quiet", "-m", subject, "-m", body, "--", *files)


def push_version(workspace: Workspace) -> str:
    """Push data/ to the user's own default remote.

    Returns
    -------
    str
        Name of the remote.

    Raises
    ------
    VersionError
        No default remote is configured, or it is the sample's.
    """
    remote = default_remote(workspace)
    if remote is None:
        raise VersionError(
            "no remote for data/ is configured, so nothing was pushed; configure yours with "
            "`dvc remote add --default NAME s3://BUCKET/PATH` (or a folder), then run the command again"
        )
    run_dvc(workspace.root, "push", "--quiet", "--remote", remote, DVC_FILE)
    return remote


def default_remote(workspace: Workspace) -> str | None:
    """Name of the user's default remote; None while there is none.

    Raises
    ------
    VersionError
        The default remote is the sample's, or points into the repository's sample folder.
    """
    name = run_dvc(workspace.root, "config", "core.remote", check=False)
    if not name:
        return None
    url = run_dvc(workspace.root, "config", f"remote.{name}.url", check=False)
    if is_sample(workspace.root, name, url):
        raise VersionError(
            f"remote {name} is the sample that ships with the project and is read-only; configure your own with "
            "`dvc remote add --default NAME s3://BUCKET/PATH`"
        )
    return name


def _annotate(workspace: Workspace, gate: GateStatus, counts: dict[str, int]) -> None:
    for name in (DVC_FILE, PIPELINE):
        path = workspace.root / name
        if path.is_file():
            replace_file(path, without_sample(path.read_text()).encode())
    path = workspace.root / DVC_FILE
    content = parse_yaml(path.read_text())
    content["meta"] = {"eccl": {"data_version": gate.data_version, "gate": gate.status, **counts}}
    replace_file(path, yaml.safe_dump(content, sort_keys=False).encode())


def _current(workspace: Workspace) -> str | None:
    try:
        return data_version(workspace.data)
    except WorkspaceError:
        return None


def without_sample(text: str) -> str:
    """Drop every reference to the sample remote from the text of data.dvc or dvc.yaml."""
    return "".join(line for line in text.splitlines(keepends=True) if line.strip() not in _SAMPLE_LINES)


def is_sample(root: Path, name: str, url: str) -> bool:
    """Whether a DVC remote is the sample's, by name or because it points into the sample folder."""
    if name == SAMPLE:
        return True
    if "://" in url:
        return False
    # DVC resolves relative remotes from its configuration's folder.
    target, sample = (root / ".dvc" / url).resolve(), (root / SAMPLE).resolve()
    return target == sample or sample in target.parents
