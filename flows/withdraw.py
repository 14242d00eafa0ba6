"""A withdrawal list -> everything derived from those participants: remove, validate, record, purge, publish."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from eccl.errors import WithdrawalError
from eccl.versioning.versions import record_withdrawals
from eccl.withdrawal import purge as purging
from eccl.withdrawal import run
from eccl.workspace import find_workspace
from flows.ingest import record
from flows.publish import publish
from flows.support.artifacts import announce, show_withdrawal
from flows.support.define import define, step
from flows.support.dvc import one_dvc_command
from flows.support.parameters import WithdrawParameters
from flows.support.policy import workspace_tag
from flows.support.redaction import redact_errors
from flows.validate import validate


@define("withdraw", WithdrawParameters, hours=24)
def withdraw(parameters: WithdrawParameters) -> str | None:
    """Remove participants everywhere, and record and publish what remains.

    Without a list, an interrupted withdrawal is continued. Returns the certificate's name.
    """
    place = find_workspace(parameters.workspace)
    certificate = remove(place.root, parameters.listed, parameters.raw)
    show_withdrawal(place, certificate)
    # Also without a participant to withdraw: an earlier run may have stopped at a failed gate.
    step(validate)(place.root)
    record(place.root)
    if parameters.purge:
        purge_versions.with_options(tags=[workspace_tag(place.root)])(place.root)
    step(publish)(place.root)  # last, so that the release lists the versions that can no longer be restored
    return certificate


@task(name="remove-participants", cache_policy=NO_CACHE)
@redact_errors
def remove(workspace: Path, listed: Path | None, raw: Path | None) -> str | None:
    """Remove the participants from data, features, stores and caches; returns the certificate's name."""
    place = find_workspace(workspace)
    outcome = run.withdraw(place, listed, raw) if listed else run.resume(place)
    name = outcome.certificate.name if outcome.certificate else None
    if not outcome.is_clean:
        raise WithdrawalError(
            f"data of withdrawn participants was found afterwards (certificate {name}); remove it, then run `eccl withdraw LIST`"
        )
    announce(
        f"Certificate ledger/withdrawals/{name}.md"
        if name
        else "No participant to withdraw: all on the list were withdrawn before"
    )
    return name


@task(name="purge-older-versions", cache_policy=NO_CACHE)
@redact_errors
def purge_versions(workspace: Path) -> None:
    """Remove older versions' objects that contain them, from DVC's cache and the user's own remote."""
    place = find_workspace(workspace)
    with one_dvc_command(place.root, "eccl withdraw --purge"):
        certificate = purging.purge(place)
        record_withdrawals(place)
    note = certificate.content["purge"] if certificate else {"removed": {}, "left": []}
    removed = ", ".join(f"{count} objects from {place}" for place, count in note["removed"].items()) or "nothing"
    announce(" ".join([f"Purged {removed}.", *(f"{line}." for line in note["left"])]))
