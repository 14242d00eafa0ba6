"""The certificate of a withdrawal: counts of what was removed from each store, written after all other steps."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from eccl import __version__
from eccl.data.files import replace_file
from eccl.data.parts import data_version
from eccl.ledger.certificates import Certificate, certificates_folder, read_certificate
from eccl.ledger.exports import Export, list_exports, redact_exports
from eccl.modalities import MODALITIES
from eccl.templates import render
from eccl.withdrawal.data import shards_of
from eccl.withdrawal.journal import Counts, Plan
from eccl.withdrawal.plan import count_stores
from eccl.withdrawal.rows import redact
from eccl.withdrawal.search import Trace, search
from eccl.workspace import Workspace


def certify(workspace: Workspace, plan: Plan) -> Certificate:
    """Count again, search, and write the certificate as JSON and as Markdown."""
    withdrawn = frozenset(plan.eids)
    after = count_stores(workspace, withdrawn, written={})
    raw = Path(plan.raw) if plan.raw else None
    # A resumed withdrawal must count the same files as an uninterrupted one.
    own = [(certificates_folder(workspace) / plan.certificate).resolve().with_suffix(end) for end in (".json", ".md")]
    exports = list_exports(workspace)
    listed = [_export(export, withdrawn) for export in exports]
    redact_exports(workspace, lambda text: redact(text, plan.select))  # a file name may hold an id
    exclude = {Path(plan.listed), *own, *(Path(export.path) for export in exports)}
    result = search(workspace, plan.select, hashes=plan.hashes, slots=plan.slots, raw=raw, exclude=exclude)
    counted = {name: _compare(getattr(plan, name), counts) for name, counts in after.items()}
    found = [*result.found, *_disagreements(counted)]
    content = {
        "version": 1,
        "name": plan.certificate,
        "withdrawn_on": plan.withdrawn_on,
        "issued_on": date.today().isoformat(),
        "participants": len(plan.eids),
        "data_version": {
            "before": plan.data_version,
            "after": data_version(workspace.data) if plan.data_version else None,
        },
        **counted,
        "slots_deleted": {kind: len(rows) for kind, rows in plan.slots.items()},
        "shards_rewritten": _shards(workspace, plan),
        "runs_tainted": list(plan.tainted),
        "runs_declared_valid": sorted(plan.covered),
        "raw": {"was_cleaned": plan.raw is not None, "files": plan.raw_files, "rows": plan.raw_rows},
        "exports": listed,
        "search": {"files": result.files, "found": [asdict(trace) for trace in found]},
        "purge": None,
        "code_version": __version__,
    }
    return write_certificate(workspace, content)


def write_certificate(workspace: Workspace, content: Mapping[str, Any]) -> Certificate:
    """Write a certificate's two files."""
    path = certificates_folder(workspace) / f"{content['name']}.json"
    replace_file(path.with_suffix(".md"), describe(content).encode())
    replace_file(path, (json.dumps(content, indent=1) + "\n").encode())
    return read_certificate(path)


def describe(content: Mapping[str, Any]) -> str:
    """Format a certificate as Markdown."""
    stores = {section: list(content[section].items()) for section in ("tables", "arrays", "releases")}
    return render(
        "withdrawal/certificate.md.jinja", stores={**stores, "features": _by_view(content["features"])}, **content
    )


def _compare(before: Counts, after: Counts) -> dict[str, dict[str, int]]:
    return {
        name: {
            "before": counts["rows"],
            "removed": counts["withdrawn"] - after.get(name, {"withdrawn": 0})["withdrawn"],
            "after": after.get(name, {"rows": 0})["rows"],
        }
        for name, counts in before.items()
    }


def _disagreements(counted: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[Trace]:
    # Rows that this withdrawal adds to `deletions` have no participant and are not counted.
    return [
        Trace(f"{section}: {name}", "rows before, removed and after do not add up")
        for section, those in counted.items()
        for name, counts in those.items()
        if counts["before"] - counts["removed"] != counts["after"]
    ]


def _shards(workspace: Workspace, plan: Plan) -> dict[str, list[int]]:
    return {
        name: [shard for shard, _ in shards_of(workspace.data, name, plan.written[one.kind])]
        for one in MODALITIES
        if plan.written[one.kind]
        for name in one.arrays
    }


def _export(export: Export, withdrawn: frozenset[int]) -> dict[str, Any]:
    path = Path(export.path)
    return {
        **asdict(export),
        "path": redact(export.path, withdrawn.intersection),
        "is_there": path.is_file(),
        "withdrawn_rows": _count_export(path, withdrawn) if export.has_eid and path.is_file() else None,
    }


def _count_export(path: Path, withdrawn: frozenset[int]) -> int | None:
    """Rows of withdrawn participants in an exported file; None if it cannot be read any more."""
    import polars as pl

    try:
        if path.suffix == ".parquet":
            eids = pl.read_parquet(path, columns=["eid"])["eid"]
        elif path.suffix == ".json":
            eids = pl.read_json(path)["eid"]
        else:
            eids = pl.read_csv(path, columns=["eid"])["eid"]
        return int(eids.is_in(sorted(withdrawn)).sum())
    except (pl.exceptions.PolarsError, OSError):
        return None


def _by_view(features: Mapping[str, Mapping[str, int]]) -> list[tuple[str, dict[str, int]]]:
    sums: dict[str, dict[str, int]] = defaultdict(lambda: {"before": 0, "removed": 0, "after": 0})
    for path, counts in features.items():
        parts = path.split("/")
        view = path if parts[0] == "reports" else parts[1] if len(parts) == 3 else Path(path).stem
        for name, count in counts.items():
            sums[view][name] += count
    return sorted(sums.items())
