"""Check that data/ holds no withdrawn participant, because ``git checkout`` and ``dvc pull`` do not check tombstones."""

from __future__ import annotations

from eccl.data.parts import read_files, table_files
from eccl.errors import WithdrawalError
from eccl.ledger.tombstones import Tombstones, tombstones_path
from eccl.modalities import SLOT_TABLES
from eccl.workspace import Workspace


def require_none_withdrawn(workspace: Workspace) -> None:
    """Check that data/ holds no withdrawn participant, before it is validated, trained on or published.

    Raises
    ------
    WithdrawalError
        It holds one, or the key of the tombstones is missing.
    """
    if not tombstones_path(workspace).is_file():
        return
    files = [table_files(workspace.data, table) for table in ("participants", *SLOT_TABLES)]
    eids = {eid for some in files if some for eid in read_files(some, ["eid"]).column(0).unique().to_pylist()}
    back = len(Tombstones.load(workspace).select(eids))
    if back:
        raise WithdrawalError(
            f"data/ holds {back} withdrawn participants: an older version of it was restored. Run `eccl withdraw LIST` with their "
            "list again, which removes them"
        )
