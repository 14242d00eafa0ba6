"""A workspace: the folder that holds one cohort's data, models, features and published store.

::

    WORKSPACE/
      params.yaml  dvc.yaml  data.dvc      what git versions
      data/        models/  features/  reports/
      releases/    eccl.duckdb             published stores: immutable releases, and the latest one under its short name
      ledger/                              records of releases, exports and withdrawals; not part of a data version
      .eccl/                               locks, caches, checkpoints, the flows' database: never versioned. Deleting it
                                           when idle loses the caches, and the note of which simulation filled data/
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from eccl.errors import WorkspaceError

MARKER = "params.yaml"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths of one workspace."""

    root: Path

    @property
    def params_file(self) -> Path:
        return self.root / MARKER

    @property
    def arms_file(self) -> Path:
        """The experiment table."""
        return self.root / "experiments" / "arms.yaml"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def tables(self) -> Path:
        return self.data / "tables"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def features(self) -> Path:
        return self.root / "features"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def gate(self) -> Path:
        return self.reports / "gate"

    @property
    def database(self) -> Path:
        return self.root / "eccl.duckdb"

    @property
    def releases(self) -> Path:
        """Published stores, one immutable file each."""
        return self.root / "releases"

    @property
    def ledger(self) -> Path:
        """Records of releases, exports, tombstones and withdrawals."""
        return self.root / "ledger"

    @property
    def state(self) -> Path:
        return self.root / ".eccl"

    @property
    def raw_hashes(self) -> Path:
        """Cache of the raw files' hashes."""
        return self.state / "seen.json"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints of interrupted trainings."""
        return self.state / "checkpoints"

    def curves(self, run: str) -> Path:
        """Folder of one run's learning curves."""
        return self.reports / "curves" / run

    def run_folder(self, run: str) -> Path:
        """Folder of one run's weights and run.json."""
        return self.models / run


def find_workspace(start: Path | str | None = None) -> Workspace:
    """Find a workspace.

    Parameters
    ----------
    start
        The workspace itself; default is ``$ECCL_WORKSPACE``, else the nearest one at or above the current folder. A named
        folder must be a workspace: a typing error must not select the workspace around it.

    Raises
    ------
    WorkspaceError
        The folder, or every folder at and above the current one, has no params.yaml.
    """
    named = start or os.environ.get("ECCL_WORKSPACE")
    if named:
        root = Path(named).resolve()
        if (root / MARKER).is_file():
            return Workspace(root)
        raise WorkspaceError(
            f"no workspace at {root}: expected a folder with {MARKER}; make one with `eccl init FOLDER`"
        )
    origin = Path.cwd().resolve()
    for folder in (origin, *origin.parents):
        if (folder / MARKER).is_file():
            return Workspace(folder)
    raise WorkspaceError(
        f"no workspace at or above {origin}: expected a folder with {MARKER}; make one with `eccl init FOLDER`"
    )


def find_workspace_if_any(start: Path | None) -> Workspace | None:
    """Find a workspace; None where `start` is None and there is none at or above the current folder."""
    try:
        return find_workspace(start)
    except WorkspaceError:
        if start is not None:
            raise
        return None


def shipped(name: str) -> Path:
    """Folder or file that ships with the package: ``schemas``, ``dvc.yaml`` or ``params.yaml``.

    In a checkout these are beside the package; in an installed wheel they are inside it.
    """
    package = Path(__file__).parent
    for candidate in (package.parent / name, package / "_shipped" / name):
        if candidate.exists():
            return candidate
    raise WorkspaceError(f"{name} is missing beside the package; reinstall eccl from a complete checkout or wheel")
