"""The certificate: what was removed where, in counts; written when everything else is done."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from eccl import __version__
from eccl.data.files import replace_file
from eccl.data.parts import data_version
from eccl.ledger.certificates import Certificate, certificates_folder, read_certificate
from eccl.ledger.exports import Export, list_exports, redact_exports
from eccl.modalities import MODALITIES
from eccl.withdrawal.data import touched
from eccl.withdrawal.journal import Counts, Plan
from eccl.withdrawal.plan import count_arrays, count_features, count_releases, count_tables
from eccl.withdrawal.rows import redact
from eccl.withdrawal.search import Trace, search
from eccl.workspace import Workspace


def certify(workspace: Workspace, plan: Plan) -> Certificate:
    """Count again, search, and write the certificate as JSON and as text."""
    gone = frozenset(plan.eids)
    after = {
        "tables": count_tables(workspace, gone),
        "arrays": count_arrays(workspace, {one.kind: [] for one in MODALITIES}),
        "features": count_features(workspace, gone),
        "releases": count_releases(workspace, gone),
    }
    raw = Path(plan.raw) if plan.raw else None
    # A resumed withdrawal must count the same files as an undisturbed one.
    own = [(certificates_folder(workspace) / plan.certificate).resolve().with_suffix(end) for end in (".json", ".md")]
    exports = list_exports(workspace)
    listed = [_export(export, gone) for export in exports]
    redact_exports(workspace, lambda text: redact(text, gone))  # a file may have been named by an id
    but = {Path(plan.listed), *own, *(Path(export.path) for export in exports)}
    searched = search(workspace, plan.select, hashes=plan.hashes, slots=plan.slots, raw=raw, but=but)
    counted = {name: _compare(getattr(plan, name), counts) for name, counts in after.items()}
    found = [*searched.found, *_disagreements(counted)]
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
        "runs_brought_up": sorted(plan.covered),
        "raw": _raw(plan),
        "exports": listed,
        "search": {"files": searched.files, "found": [{"path": one.path, "what": one.what} for one in found]},
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
    """A certificate for people: Markdown."""
    version = content["data_version"]
    lines = [
        f"# Withdrawal {content['name']}",
        "",
        f"{content['participants']} participants withdrew on {content['withdrawn_on']}; carried out and certified on "
        f"{content['issued_on']} by eccl {content['code_version']}.",
        f"Data version {version['before']} became {version['after']}.",
        "",
        "| store | rows before | removed | rows after |",
        "|---|---:|---:|---:|",
    ]
    for section in ("tables", "arrays", "features", "releases"):
        for name, counts in _by_view(content[section]) if section == "features" else content[section].items():
            lines.append(f"| {section}: {name} | {counts['before']} | {counts['removed']} | {counts['after']} |")
    shards = ", ".join(f"{len(numbers)} of {name}" for name, numbers in content["shards_rewritten"].items()) or "none"
    slots = ", ".join(f"{count} {kind}" for kind, count in content["slots_deleted"].items())
    lines += ["", f"Slots deleted for ever: {slots}. Shards written anew: {shards}.", "", *_raw_lines(content["raw"])]
    lines += ["", "## Models that saw one of them", ""]
    lines += [f"- {run['run_id']}: {run['how']}" for run in content["runs_tainted"]] or ["None."]
    lines += ["", "## Files that left as exports", ""]
    lines += [_export_line(export) for export in content["exports"]] or ["None."]
    lines += ["", "## Older versions", "", _purge_line(content["purge"])]
    lines += ["", "## Search afterwards", "", f"{content['search']['files']} files were searched."]
    lines += [f"- {one['path']}: {one['what']}" for one in content["search"]["found"]] or ["Nothing was found."]
    return "\n".join(lines) + "\n"


def _compare(before: Counts, after: Counts) -> dict[str, dict[str, int]]:
    return {
        name: {
            "before": counts["rows"],
            "removed": counts["theirs"] - after.get(name, {"theirs": 0})["theirs"],
            "after": after.get(name, {"rows": 0})["rows"],
        }
        for name, counts in before.items()
    }


def _disagreements(counted: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[Trace]:
    # A deletion entered by this withdrawal names nobody and is not counted as a row about somebody.
    return [
        Trace(f"{section}: {name}", "rows before, removed and after do not add up")
        for section, those in counted.items()
        for name, counts in those.items()
        if counts["before"] - counts["removed"] != counts["after"]
    ]


def _shards(workspace: Workspace, plan: Plan) -> dict[str, list[int]]:
    return {
        name: [shard for shard, _ in touched(workspace.data, name, plan.written[one.kind])]
        for one in MODALITIES
        if plan.written[one.kind]
        for name in one.arrays
    }


def _raw(plan: Plan) -> dict[str, Any]:
    return {"was_cleaned": plan.raw is not None, "files": plan.raw_files, "rows": plan.raw_rows}


def _export(export: Export, gone: frozenset[int]) -> dict[str, Any]:
    path = Path(export.path)
    return {
        "at": export.at,
        "path": redact(export.path, gone),
        "release": export.release,
        "has_eid": export.has_eid,
        "rows": export.rows,
        "is_there": path.is_file(),
        "withdrawn_rows": _count_export(path, gone) if export.has_eid and path.is_file() else None,
    }


def _count_export(path: Path, gone: frozenset[int]) -> int | None:
    """Rows of withdrawn participants in an exported file; None where it cannot be read any more."""
    import polars as pl

    try:
        if path.suffix == ".parquet":
            eids = pl.read_parquet(path, columns=["eid"])["eid"]
        elif path.suffix == ".json":
            eids = pl.read_json(path)["eid"]
        else:
            eids = pl.read_csv(path, columns=["eid"])["eid"]
        return int(eids.is_in(sorted(gone)).sum())
    except (pl.exceptions.PolarsError, OSError):
        return None


def _by_view(features: Mapping[str, Mapping[str, int]]) -> Iterable[tuple[str, dict[str, int]]]:
    sums: dict[str, dict[str, int]] = defaultdict(lambda: {"before": 0, "removed": 0, "after": 0})
    for path, counts in features.items():
        parts = path.split("/")
        view = path if parts[0] == "reports" else parts[1] if len(parts) == 3 else Path(path).stem
        for name, count in counts.items():
            sums[view][name] += count
    return sorted(sums.items())


def _raw_lines(raw: Mapping[str, Any]) -> list[str]:
    if raw["was_cleaned"]:
        return [f"Raw files: {raw['files']} deleted, {raw['rows']} rows taken out of tabular exports."]
    return ["Raw files were not touched: `eccl withdraw LIST --raw FOLDER` removes those."]


def _export_line(export: Mapping[str, Any]) -> str:
    rows = export["withdrawn_rows"]
    if not export["has_eid"]:
        known = "names no participants"
    elif not export["is_there"]:
        known = "not there any more; it named participants"
    else:
        known = "cannot be read any more" if rows is None else f"{rows} rows of them in it"
    return f"- {export['at'][:10]} {export['path']} (release {export['release']}, {export['rows']} rows): {known}"


def _purge_line(purge: Mapping[str, Any] | None) -> str:
    if purge is None:
        return "Not purged: older versions of data/ and features/ in DVC's cache and remote hold their rows. `--purge` removes those."
    removed = ", ".join(f"{count} from {place}" for place, count in purge["removed"].items()) or "none"
    versions = ", ".join(purge["versions"]) or "none"
    left = "".join(f" {line}." for line in purge["left"])
    return f"Objects removed: {removed}. Data versions that cannot be brought back whole: {versions}.{left}"
