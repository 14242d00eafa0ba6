"""Tombstones: permanent markers of withdrawn participants, stored as keyed hashes so that no id is recorded.

::

    ledger/tombstones.json     {"version": 1, "key_id": ..., "withdrawn": [{"digest", "since", "certificate"}, ...]}
    .tombstone-key             32 random bytes, hexadecimal; never in git. $ECCL_TOMBSTONE_KEY goes before it

Ids have few digits: without a key, hashing all of them would take a second and undo the hash. Needs the standard library
only, because training nodes check for an interrupted withdrawal.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from eccl.data.files import atomic_path, replace_file
from eccl.errors import WithdrawalError
from eccl.workspace import Workspace

KEY_NAME = ".tombstone-key"
KEY_VARIABLE = "ECCL_TOMBSTONE_KEY"
_KEY_BYTES, _DIGEST_BYTES = 32, 16


@dataclass(frozen=True, slots=True)
class Tombstones:
    """The withdrawn participants of a workspace.

    Parameters
    ----------
    entries
        Date and certificate by digest.
    """

    entries: Mapping[str, tuple[date, str]] = field(default_factory=dict)
    _key: bytes = field(default=b"", repr=False)

    @classmethod
    def load(cls, workspace: Workspace) -> Tombstones:
        """Read the tombstones of a workspace; there are none before its first withdrawal.

        Raises
        ------
        WithdrawalError
            There are tombstones, and their key is missing or another one.
        """
        path = tombstones_path(workspace)
        if not path.is_file():
            return cls()
        content = json.loads(path.read_text())
        key = _find_key(workspace)
        if key is None or _key_id(key) != content["key_id"]:
            found = "no key" if key is None else "another key"
            raise WithdrawalError(
                f"{path.relative_to(workspace.root)} lists {len(content['withdrawn'])} withdrawn participants and was made with key "
                f"{content['key_id']}; found {found}. Put that key into {KEY_NAME} beside params.yaml or into ${KEY_VARIABLE}: "
                "without it, withdrawn participants could be ingested again"
            )
        entries = {
            entry["digest"]: (date.fromisoformat(entry["since"]), entry["certificate"])
            for entry in content["withdrawn"]
        }
        return cls(entries, key)

    def since(self, eid: int) -> date | None:
        """Date on which a participant withdrew; None for all others."""
        found = self.entries.get(_digest(self._key, eid)) if self.entries else None
        return found[0] if found else None

    def select(self, eids: Iterable[int]) -> set[int]:
        """Those of some participants who withdrew."""
        return {eid for eid in eids if _digest(self._key, eid) in self.entries} if self.entries else set()

    @property
    def fingerprint(self) -> str:
        """Hash over all of them: equal fingerprints keep the same participants away."""
        return hashlib.sha256("\n".join(sorted(self.entries)).encode()).hexdigest()

    @classmethod
    def add(cls, workspace: Workspace, eids: Iterable[int], since: date, certificate: str) -> Tombstones:
        """Add participants and write the file; who has a tombstone keeps it. The first call makes the key."""
        present = cls.load(workspace)
        key = present._key or _find_key(workspace) or _make_key(workspace)
        entries = {_digest(key, eid): (since, certificate) for eid in eids} | dict(present.entries)
        rows = [{"digest": d, "since": s.isoformat(), "certificate": c} for d, (s, c) in sorted(entries.items())]
        content = {"version": 1, "key_id": _key_id(key), "withdrawn": rows}
        replace_file(tombstones_path(workspace), (json.dumps(content, indent=1) + "\n").encode())
        return cls(entries, key)


def tombstones_path(workspace: Workspace) -> Path:
    """The file of tombstones."""
    return workspace.ledger / "tombstones.json"


def tombstones_mark(workspace: Workspace) -> str:
    """SHA-256 of the tombstones; empty while there are none. It changes with every withdrawal, and needs no key."""
    path = tombstones_path(workspace)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def journal_path(workspace: Workspace) -> Path:
    """The journal of a withdrawal; it is there from the first change to the last."""
    return workspace.state / "withdrawal.json"


def require_no_pending_withdrawal(workspace: Workspace) -> None:
    """Refuse to go on beside half a withdrawal.

    Raises
    ------
    WithdrawalError
        A withdrawal was interrupted and not resumed yet.
    """
    if journal_path(workspace).is_file():
        raise WithdrawalError(
            "a withdrawal of participants was interrupted; run `eccl withdraw --resume` first: until it is complete, what they left "
            "behind could be read, trained on or published"
        )


def _find_key(workspace: Workspace) -> bytes | None:
    path = workspace.root / KEY_NAME
    text = os.environ.get(KEY_VARIABLE) or (path.read_text() if path.is_file() else None)
    if text is None:
        return None
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise WithdrawalError(
            f"the key of the tombstones (${KEY_VARIABLE} or {KEY_NAME}) is not {2 * _KEY_BYTES} hexadecimal digits; put the one "
            "back that the tombstones were made with"
        )
    return key


def _make_key(workspace: Workspace) -> bytes:
    # Git must not see the key for an instant, so it is ignored before it is there.
    ignored = workspace.root / ".gitignore"
    if ignored.is_file() and f"/{KEY_NAME}" not in (lines := ignored.read_text().splitlines()):
        replace_file(ignored, ("\n".join([*lines, f"/{KEY_NAME}"]) + "\n").encode())
    key = secrets.token_bytes(_KEY_BYTES)
    with atomic_path(workspace.root / KEY_NAME) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(key.hex() + "\n")
    return key


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]


def _digest(key: bytes, eid: int) -> str:
    return hashlib.blake2b(str(eid).encode(), key=key, digest_size=_DIGEST_BYTES).hexdigest()
