"""Nobody who withdrew may come back with an older version of data/: ``git checkout`` and ``dvc pull`` know no tombstones."""

from __future__ import annotations

from eccl.data.parts import read_files, table_files
from eccl.errors import WithdrawalError
from eccl.ledger.tombstones import Tombstones, tombstones_path
from eccl.modalities import SLOT_TABLES
from eccl.workspace import Workspace


def require_nobody_returned(workspace: Workspace) -> None:
    """Refuse to validate, train on or publish data that hold somebody with a tombstone.

    Raises
    ------
    WithdrawalError
        They do, or the tombstones' key is missing.
    """
    if not tombstones_path(workspace).is_file():
        return
    files = [table_files(workspace.data, table) for table in ("participants", *SLOT_TABLES)]
    eids = {eid for some in files if some for eid in read_files(some, ["eid"]).column(0).unique().to_pylist()}
    back = len(Tombstones.load(workspace).select(eids))
    if back:
        raise WithdrawalError(
            f"data/ holds {back} participants who withdrew: an older version of it was brought back. Run `eccl withdraw LIST` with their "
            "list again; it takes out what came back"
        )
