"""Findings of a check of the whole product, in a tree that follows the folders on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from eccl.quality.results import CRITICAL, WARNING

NOTE = "note"
SEVERITIES = (CRITICAL, WARNING, NOTE)
"""From bad to harmless: a note needs no action."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One deviation from the expected state.

    Parameters
    ----------
    severity
        ``critical``: values read there may be wrong; ``warning``: correct, but out of date or incomplete; ``note``: harmless.
    what
        What was found and what was expected, with counts. Never a participant's id.
    remedy
        The next step, with the command to type.
    """

    severity: str
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Node:
    """One checked object: a folder, an array, a table, a view, a run, a release.

    Parameters
    ----------
    count
        Its content, e.g. ``1,024 rows``.
    """

    name: str
    count: str = ""
    findings: tuple[Finding, ...] = ()
    children: tuple[Node, ...] = ()

    @property
    def severity(self) -> str | None:
        """The worst severity of this node, without its children; None without findings."""
        found = {finding.severity for finding in self.findings}
        return next((severity for severity in SEVERITIES if severity in found), None)

    def walk(self, above: str = "") -> Iterator[tuple[str, Finding]]:
        """Yield every finding of the node and its children, with the path of its node."""
        path = f"{above}/{self.name}".strip("/")
        for finding in self.findings:
            yield path, finding
        for child in self.children:
            yield from child.walk(path)

    def to_dict(self) -> dict[str, Any]:
        """Return the node as plain values."""
        return {
            "name": self.name,
            "count": self.count,
            "severity": self.severity or "ok",
            "findings": [asdict(one) for one in self.findings],
            "children": [child.to_dict() for child in self.children],
        }


critical = partial(Finding, CRITICAL)
"""A finding about wrong values."""
warning = partial(Finding, WARNING)
"""A finding about something out of date or incomplete."""
note = partial(Finding, NOTE)
"""A harmless finding."""


def draw(node: Node) -> str:
    """Draw a tree in ASCII: name, content, and ``ok`` or the worst finding.

    A critical finding is marked ``!!``, a warning ``!``, and a harmless one ``note``.
    """
    lines = list(_lines(node, "", ""))
    names = max(len(name) for name, _, _ in lines)
    counts = max(len(count) for _, count, _ in lines)
    return "\n".join(f"{name:<{names}}  {count:<{counts}}  {mark}".rstrip() for name, count, mark in lines) + "\n"


def _lines(node: Node, lead: str, below: str) -> Iterator[tuple[str, str, str]]:
    yield lead + node.name, node.count, _mark(node)
    for number, child in enumerate(node.children, 1):
        last = number == len(node.children)
        yield from _lines(child, below + ("`-- " if last else "|-- "), below + ("    " if last else "|   "))


def _mark(node: Node) -> str:
    if node.severity is None:
        return "" if node.children and not node.count else "ok"
    worst = next(finding for finding in node.findings if finding.severity == node.severity)
    mark = {CRITICAL: "!!", WARNING: "!", NOTE: "note:"}[worst.severity]
    more = f" (+{len(node.findings) - 1})" if len(node.findings) > 1 else ""
    return f"{mark} {worst.what}{more}"
