"""A withdrawal list -> everything that was derived: remove, gate, record, purge, publish."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from eccl.errors import WithdrawalError
from eccl.versioning.versions import record_withdrawals
from eccl.withdrawal import purge as purging
from eccl.withdrawal import run
from eccl.workspace import find_workspace
from flows.ingest import record
from flows.publish import publish
from flows.support.artifacts import show_withdrawal
from flows.support.console import say
from flows.support.hooks import HOOKS
from flows.support.parameters import Purge, RawFolder, WithdrawalList, WorkspacePath, described
from flows.support.policy import checkout_tag, one_dvc_command, step, timeout_s
from flows.support.redaction import discreet
from flows.validate import validate


@flow(name="withdraw", timeout_seconds=timeout_s("withdraw"), **HOOKS)
@discreet
@described
def withdraw(
    workspace: WorkspacePath, listed: WithdrawalList = None, raw: RawFolder = None, purge: Purge = False
) -> str | None:
    """Remove participants everywhere, and record and publish what is left; without a list, go on where a withdrawal stopped."""
    certificate = remove(workspace, listed, raw)
    show_withdrawal(find_workspace(workspace), certificate)
    # Also where nobody was left to withdraw: an earlier run may have stopped at a failed gate.
    step(validate)(workspace)
    record(workspace)
    if purge:
        purge_versions.with_options(tags=[checkout_tag(find_workspace(workspace).root)])(workspace)
    step(publish)(workspace)  # last, so that analysts see which versions cannot be brought back any more
    return certificate


@task(name="remove-participants", cache_policy=NO_CACHE)
@discreet
def remove(workspace: Path, listed: Path | None, raw: Path | None) -> str | None:
    """Take the participants out of data, features, stores and caches; returns the certificate's name."""
    place = find_workspace(workspace)
    outcome = run.withdraw(place, listed, raw) if listed else run.resume(place)
    name = outcome.certificate.name if outcome.certificate else None
    if not outcome.is_clean:
        raise WithdrawalError(
            f"something of withdrawn participants was found afterwards (certificate {name}); remove it, then run `eccl withdraw LIST`"
        )
    say(
        f"Certificate ledger/withdrawals/{name}.md" if name else "Nobody to withdraw: everybody on the list left before"
    )
    return name


@task(name="purge-older-versions", cache_policy=NO_CACHE)
@discreet
def purge_versions(workspace: Path) -> None:
    """Remove older versions' objects that held them, from DVC's cache and the user's own remote."""
    place = find_workspace(workspace)
    with one_dvc_command(place.root, "eccl withdraw --purge"):
        certificate = purging.purge(place)
        record_withdrawals(place)
    note = certificate.content["purge"] if certificate else {"removed": {}, "left": []}
    removed = ", ".join(f"{count} objects from {place}" for place, count in note["removed"].items()) or "nothing"
    say(" ".join([f"Purged {removed}.", *(f"{line}." for line in note["left"])]))
