"""What each flow takes: one frozen model per flow, every field described, unknown keys refused.

The flows' signatures are made of the same annotated types, so a deployment's page shows the same fields and the same
words; a test holds models and signatures together.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from eccl.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")
Runner = Literal["processes", "dask", "ray"]


def _to_text(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


WorkspacePath = Annotated[Path, Field(description="Folder with params.yaml: the cohort to work on.")]
RawPlace = Annotated[
    str,
    BeforeValidator(_to_text),
    Field(min_length=1, description="Raw files: a folder in any layout, or a URL such as s3://bucket/raw."),
]
Workers = Annotated[
    int, Field(ge=1, description="Worker processes on this machine; a cluster given by its address has its own.")
]
RunnerName = Annotated[
    Runner,
    Field(description="Where batches are read: processes of this machine, a Dask cluster, or a Ray cluster."),
]
Address = Annotated[
    str | None,
    Field(description="An existing cluster, e.g. tcp://scheduler:8786 or ray://head:10001; default is one made here."),
]
Retry = Annotated[bool, Field(description="Read again what was refused before.")]
Repair = Annotated[
    bool, Field(description="Read every committed record back, and write those that differ from their raw files again.")
]
Stages = Annotated[
    list[str] | None,
    Field(description="Stages or groups of dvc.yaml; default is every stage whose inputs changed."),
]
WithdrawalList = Annotated[
    Path | None,
    Field(description="Withdrawal list, one participant a line; default goes on where a withdrawal stopped."),
]
RawFolder = Annotated[
    Path | None, Field(description="Folder of raw files to remove them from too; default leaves raw files alone.")
]
Purge = Annotated[bool, Field(description="Also remove older versions' objects from DVC's cache and your remote.")]


class Parameters(BaseModel):
    """Base of all flow parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workspace: WorkspacePath


class IngestParameters(Parameters):
    """Flows ``ingest`` and ``ingest-files``."""

    raw: RawPlace
    workers: Workers = 2
    runner: RunnerName = "processes"
    address: Address = None
    retry: Retry = False
    repair: Repair = False

    @model_validator(mode="after")
    def _address_needs_a_cluster(self) -> IngestParameters:
        if self.address and self.runner == "processes":
            raise ValueError("an address is given, but runner is `processes`; choose runner `dask` or `ray`")
        return self


class ValidateParameters(Parameters):
    """Flow ``validate``."""


class TrainParameters(Parameters):
    """Flow ``train``."""

    stages: Stages = None


class PublishParameters(Parameters):
    """Flow ``publish``."""


class WithdrawParameters(Parameters):
    """Flow ``withdraw``."""

    listed: WithdrawalList = None
    raw: RawFolder = None
    purge: Purge = False


class CohortParameters(Parameters):
    """Flow ``cohort``."""

    raw: RawPlace
    workers: Workers = 2


FLOWS: dict[str, type[Parameters]] = {
    "ingest": IngestParameters,
    "ingest-files": IngestParameters,
    "validate": ValidateParameters,
    "train": TrainParameters,
    "publish": PublishParameters,
    "withdraw": WithdrawParameters,
    "cohort": CohortParameters,
}


def described(function: Callable[P, R]) -> Callable[P, R]:
    """Put the words of a flow's parameters into its docstring, where Prefect looks for them."""
    lines = [
        f"    {name}: {field.description}"
        for name, parameter in inspect.signature(function, eval_str=True).parameters.items()
        for field in getattr(parameter.annotation, "__metadata__", ())
        if isinstance(field, FieldInfo)
    ]
    function.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Args:", *lines])
    return function


def read_parameters(flow: str, values: Mapping[str, Any]) -> Parameters:
    """Check what a flow is given.

    Raises
    ------
    ConfigError
        Lists every unknown name and wrong value at once.
    """
    try:
        return FLOWS[flow].model_validate(dict(values))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'together'}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        )
        raise ConfigError(f"flow {flow} cannot start: {problems}; mend its parameters and start it again") from None
