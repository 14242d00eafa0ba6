"""Models, signatures, deployments and command line take the same parameters."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from eccl.errors import ConfigError
from flows.__main__ import find_flow
from flows.support.parameters import FLOWS, IngestParameters, Parameters, read_parameters

ROOT = Path(__file__).resolve().parents[2]


def fields_of(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Properties of a JSON schema, without what Prefect adds (order) and how it spells titles."""
    return {
        name: {key: value for key, value in field.items() if key not in {"title", "position"}}
        for name, field in schema["properties"].items()
    }


@pytest.mark.parametrize("name", FLOWS)
def test_the_page_of_a_flow_shows_its_model(name: str) -> None:
    from prefect.utilities.callables import parameter_schema

    flow = find_flow(name)
    assert flow.name == name
    shown, schema = parameter_schema(flow).model_dump(), FLOWS[name].model_json_schema()
    assert fields_of(shown) == fields_of(schema)
    assert set(shown["required"]) == set(schema["required"])
    assert all(field["description"].endswith(".") for field in shown["properties"].values())


@pytest.mark.parametrize("model", sorted(set(FLOWS.values()), key=lambda one: one.__name__))
def test_models_are_frozen_and_forbid_unknown_names(model: type[Parameters]) -> None:
    values: dict[str, Any] = {"workspace": "study", **({"raw": "raw"} if "raw" in model.model_fields else {})}
    found = model.model_validate(values)
    with pytest.raises(ValidationError):
        found.workspace = Path("other")  # type: ignore[misc]
    with pytest.raises(ValidationError):
        model.model_validate({**values, "wrokers": 2})


def test_all_problems_are_in_one_message() -> None:
    with pytest.raises(ConfigError, match=r"workers.*runner.*wrokers") as caught:
        read_parameters(
            "ingest", IngestParameters, {"workspace": "a", "raw": "b", "workers": 0, "runner": "slurm", "wrokers": 2}
        )
    assert "correct its parameters" in str(caught.value)
    with pytest.raises(ConfigError, match="choose runner `dask` or `ray`"):
        read_parameters("ingest", IngestParameters, {"workspace": "a", "raw": "b", "address": "tcp://one:8786"})


def test_raw_is_a_folder_or_a_url() -> None:
    assert IngestParameters(workspace=Path("a"), raw=Path("some/raw")).raw == "some/raw"  # type: ignore[arg-type]
    assert IngestParameters(workspace=Path("a"), raw="s3://bucket/raw").raw == "s3://bucket/raw"


def test_the_command_line_refuses_unknown_names() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows", "publish", '{"workspace": "here", "purge": true}'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "flow publish cannot start: purge" in done.stderr
    assert "Traceback" not in done.stderr


def test_deployments_give_what_their_flows_take() -> None:
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    found = {}
    for deployment in content["deployments"]:
        module, _, function = deployment["entrypoint"].rpartition(".")
        flow = getattr(importlib.import_module(module), function)
        found[f"{flow.name}/{deployment['name']}"] = deployment
        model = FLOWS[flow.name]
        model.model_validate(deployment["parameters"])
    assert set(found) == {"ingest/nightly", "validate/manual", "train/gpu", "publish/manual", "withdraw/manual"}
    assert found["train/gpu"]["work_pool"]["name"] == "gpu"
    (schedule,) = found["ingest/nightly"]["schedules"]
    assert schedule["timezone"]
    assert [name for name, one in found.items() if one.get("schedules")] == ["ingest/nightly"]
