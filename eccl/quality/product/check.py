"""Check of the whole product: arrays, tables, splits, features, models and releases. It only reads and takes no lock.

::

    reports/product/
      product.json     the tree with the content and findings of every node
      tree.txt         the same as text
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from eccl.config import load_params
from eccl.data.files import atomic_path
from eccl.data.parts import data_version
from eccl.errors import WorkspaceError
from eccl.quality.product.arrays import check_arrays
from eccl.quality.product.features import check_features
from eccl.quality.product.findings import SEVERITIES, Finding, Node, draw
from eccl.quality.product.models import check_models, check_releases
from eccl.quality.product.tables import check_files, check_gate, check_tables, check_withdrawals
from eccl.quality.results import CRITICAL
from eccl.templates import count_of
from eccl.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ProductReport:
    """Result of a check of the whole product.

    Parameters
    ----------
    data_version
        Data version at the beginning of the check.
    tree
        Everything that was checked, as a tree.
    all_slots
        Whether every slot was read back, or a sample.
    """

    data_version: str
    tree: Node
    all_slots: bool

    @property
    def findings(self) -> tuple[tuple[str, Finding], ...]:
        """All findings with their places, the worst first."""
        found = [(path.partition("/")[2] or "workspace", finding) for path, finding in self.tree.walk()]
        return tuple(sorted(found, key=lambda one: SEVERITIES.index(one[1].severity)))

    def count(self, severity: str) -> int:
        """Count the findings of one severity."""
        return sum(finding.severity == severity for _, finding in self.findings)

    @property
    def is_sound(self) -> bool:
        """True if nothing critical was found."""
        return self.count(CRITICAL) == 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "data_version": self.data_version,
            "is_sound": self.is_sound,
            "all_slots": self.all_slots,
            **{severity: self.count(severity) for severity in SEVERITIES},
            "findings": [{"where": where, **asdict(one)} for where, one in self.findings],
            "tree": self.tree.to_dict(),
        }


def check_product(workspace: Workspace, *, all_slots: bool = False) -> ProductReport:
    """Check that everything in a workspace agrees, and write reports/product.

    Parameters
    ----------
    all_slots
        Read every slot back to its checksum; default is the sample of params.yaml (quality.slots_checked), spread over
        all shards.

    Raises
    ------
    WorkspaceError
        The workspace contains no data.
    ConfigError
        params.yaml has unknown keys or wrong values.
    """
    sample = 0 if all_slots else load_params(workspace.params_file).quality.slots_checked
    try:
        version = data_version(workspace.data)
    except WorkspaceError as error:
        raise WorkspaceError(f"nothing to check: {error}") from None
    tables = check_tables(workspace)
    data = Node(
        "data",
        f"version {version}",
        (),
        (
            *check_arrays(workspace, sample),
            Node("tables", count_of(len(tables), "table"), (), tuple(tables)),
            check_files(workspace),
        ),
    )
    parts = (
        data,
        check_gate(workspace, version),
        check_models(workspace, version),
        check_features(workspace, version),
        check_releases(workspace, version),
    )
    tree = Node(".", "", tuple(check_withdrawals(workspace)), parts)
    report = ProductReport(version, tree, sample == 0)
    _write(workspace, report)
    return report


def _write(workspace: Workspace, report: ProductReport) -> None:
    with atomic_path(workspace.reports / "product") as temporary:
        temporary.mkdir()
        (temporary / "product.json").write_text(json.dumps(report.to_dict(), indent=1) + "\n")
        (temporary / "tree.txt").write_text(draw(report.tree))
