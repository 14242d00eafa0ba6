"""The numbers of params.yaml that expectations and facts refer to, so that no limit is written in two places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from eccl.errors import ConfigError
from eccl.workspace import Workspace, shipped
from eccl.yaml_text import parse_yaml


@dataclass(frozen=True, slots=True)
class GateParameters:
    """Limits that the suites name as ``{"$PARAMETER": name}`` and the SQL as ``getvariable('name')``.

    Parameters
    ----------
    max_lead_identity_error_uv
        Largest violation of the limb-lead identities that ingest accepts, in microvolts.
    max_missing_frames
        Frames of a stored cine that may repeat their predecessor.
    frames
        Frames per stored cycle.
    window_px
        Side of the stored cine window in pixels.
    diseases
        ICD-10 blocks that have labels.
    incident_horizon_days
        Horizon of incident labels.
    split_shares
        Expected share of each split; they sum to 1.
    """

    max_lead_identity_error_uv: float
    max_missing_frames: int
    frames: int
    window_px: int
    diseases: tuple[str, ...]
    incident_horizon_days: int
    split_shares: Mapping[str, float]

    def for_suites(self) -> dict[str, Any]:
        """Values of the suites' parameters."""
        values = asdict(self)
        values["diseases"] = list(self.diseases)
        values["splits"] = list(self.split_shares)
        del values["split_shares"]
        return values


def read_parameters(workspace: Workspace) -> GateParameters:
    """Read the gate's limits from the workspace's params.yaml; what it leaves out has the shipped default.

    Raises
    ------
    ConfigError
        A value has the wrong type.
    """
    ingest, cine, cohort = _sections(workspace, "ingest", "cine", "cohort")
    try:
        return GateParameters(
            max_lead_identity_error_uv=float(ingest["max_lead_identity_error_uv"]),
            max_missing_frames=int(ingest["max_missing_frames"]),
            frames=int(cine["frames"]),
            window_px=int(cine["window_px"]),
            diseases=tuple(str(code) for code in cohort["diseases"]),
            incident_horizon_days=int(cohort["incident_horizon_days"]),
            split_shares={str(split): float(share) for split, share in cohort["split_shares"].items()},
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the gate cannot read its limits from params.yaml: {error}; see the shipped params.yaml"
        ) from error


def _sections(workspace: Workspace, *names: str) -> list[dict[str, Any]]:
    files = [file for file in (shipped("params.yaml"), workspace.params_file) if file.is_file()]
    contents = [parse_yaml(file.read_text(encoding="utf-8")) or {} for file in files]
    return [{**contents[0].get(name, {}), **(contents[-1].get(name) or {})} for name in names]
