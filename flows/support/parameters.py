"""Parameters of the flows: frozen models, every field described, unknown names forbidden.

:func:`flows.support.define.define` shows a model's fields as the parameters of its flow, on Prefect's pages and in its API.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from eccl.errors import ConfigError

Runner = Literal["processes", "dask", "ray"]


def _to_text(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


RawPlace = Annotated[
    str,
    BeforeValidator(_to_text),
    Field(min_length=1, description="Raw files: a folder in any layout, or a URL such as s3://bucket/raw."),
]
Workers = Annotated[
    int, Field(ge=1, description="Worker processes on this machine; a cluster given by its address has its own.")
]


class Parameters(BaseModel):
    """Parameters that every flow has; ``validate`` and ``publish`` have no other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workspace: Annotated[Path, Field(description="Folder with params.yaml: the cohort to work on.")]


class CohortParameters(Parameters):
    """Parameters of flow ``cohort``."""

    raw: RawPlace
    workers: Workers = 2


class IngestParameters(CohortParameters):
    """Parameters of flows ``ingest`` and ``ingest-files``."""

    runner: Annotated[
        Runner,
        Field(description="Where batches are read: processes of this machine, a Dask cluster, or a Ray cluster."),
    ] = "processes"
    address: Annotated[
        str | None,
        Field(
            description="Existing cluster, e.g. tcp://scheduler:8786 or ray://head:10001; default is a new one on this machine."
        ),
    ] = None
    retry: Annotated[bool, Field(description="Read quarantined files again.")] = False
    repair: Annotated[
        bool,
        Field(description="Read every committed record, and write those that differ from their raw files again."),
    ] = False

    @model_validator(mode="after")
    def _address_needs_a_cluster(self) -> IngestParameters:
        if self.address and self.runner == "processes":
            raise ValueError("an address is given, but runner is `processes`; choose runner `dask` or `ray`")
        return self


class TrainParameters(Parameters):
    """Parameters of flow ``train``."""

    stages: Annotated[
        list[str] | None,
        Field(description="Stages or groups of dvc.yaml; default is every stage whose inputs changed."),
    ] = None


class WithdrawParameters(Parameters):
    """Parameters of flow ``withdraw``."""

    listed: Annotated[
        Path | None,
        Field(description="Withdrawal list, one participant a line; default continues an interrupted withdrawal."),
    ] = None
    raw: Annotated[
        Path | None,
        Field(description="Folder of raw files to remove them from too; default leaves raw files unchanged."),
    ] = None
    purge: Annotated[
        bool, Field(description="Also remove older versions' objects from DVC's cache and your remote.")
    ] = False


FLOWS: dict[str, type[Parameters]] = {
    "ingest": IngestParameters,
    "ingest-files": IngestParameters,
    "validate": Parameters,
    "train": TrainParameters,
    "publish": Parameters,
    "withdraw": WithdrawParameters,
    "cohort": CohortParameters,
}
Given = TypeVar("Given", bound=Parameters)


def read_parameters(flow: str, model: type[Given], values: Mapping[str, Any]) -> Given:
    """Check the parameters of a flow.

    Raises
    ------
    ConfigError
        Lists every unknown name and wrong value.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'together'}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        )
        raise ConfigError(f"flow {flow} cannot start: {problems}; correct its parameters and start it again") from None
