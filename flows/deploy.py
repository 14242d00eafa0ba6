"""Make work pools and limits, and apply prefect.yaml: ``python -m flows.deploy``. Repeated, it changes what differs.

::

    pool eccl            process, 4 runs at once: ingest, validate, publish, withdraw
    pool gpu             process, 1 run at once: train
    limit gpu            stages on a GPU at once, over all flows of the server (--gpus)
    limit dvc-<name>     one DVC command at once in this workspace
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.exceptions import ObjectNotFound

from eccl.errors import EcclError, FlowError
from eccl.workspace import find_workspace
from flows.support.policy import GPU_TAG, workspace_tag

POOLS = {"eccl": 4, "gpu": 1}
NIGHTLY = "ingest/nightly"
YAML = Path(__file__).resolve().parents[1] / "prefect.yaml"


def make_pools(client: SyncPrefectClient) -> None:
    """Create the work pools, or set their limits."""
    for name, limit in POOLS.items():
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=name, type="process", concurrency_limit=limit))
        else:
            client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))


def make_limits(client: SyncPrefectClient, root: Path, gpus: int) -> dict[str, int]:
    """Create or set the limits of tags; return them."""
    limits = {GPU_TAG: gpus, workspace_tag(root): 1}
    for tag, limit in limits.items():
        client.upsert_global_concurrency_limit_by_name(f"tag:{tag}", limit)
    return limits


def apply(file: Path = YAML) -> None:
    """Apply the deployments.

    Raises
    ------
    FlowError
        ``prefect deploy`` failed; the message ends with its last lines.
    """
    if not file.is_file():
        raise FlowError(f"there is no {file.name} beside the package; get it from the project's repository (--file)")
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FlowError(f"`prefect deploy` failed:\n{(done.stdout + done.stderr).strip()[-1500:]}")


def wait_for_schedule(client: SyncPrefectClient, seconds: float = 120.0) -> None:
    """Wait until the server has planned the next nightly run; a schedule alone does not show that the scheduler works.

    Raises
    ------
    FlowError
        The server planned no run in time.
    """
    nightly = client.read_deployment_by_name(NIGHTLY)
    if nightly.paused or not any(schedule.active for schedule in nightly.schedules):
        return
    mine = DeploymentFilter(id=DeploymentFilterId(any_=[nightly.id]))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        runs = client.read_flow_runs(deployment_filter=mine, limit=200)
        if any(run.state is not None and run.state.is_scheduled() for run in runs):
            return
        time.sleep(1.0)
    raise FlowError(
        f"{NIGHTLY} has a schedule, but the server planned no run of it within {seconds:.0f} s; read the server's log. "
        "Prefect 3.8 cannot schedule with SQLAlchemy 2.1: `pip install 'sqlalchemy<2.1'` where the server runs"
    )


def main() -> int:
    """Set everything up on the server of PREFECT_API_URL."""
    parser = argparse.ArgumentParser(prog="python -m flows.deploy", description=__doc__.splitlines()[0])
    parser.add_argument("--gpus", type=int, default=1, help="stages on a GPU at once")
    parser.add_argument("--file", type=Path, default=YAML, help="deployments; default is the repository's prefect.yaml")
    chosen = parser.parse_args()
    try:
        place = find_workspace()
        missing = [name for name in ("ECCL_RAW", "PREFECT_API_URL") if not os.environ.get(name)]
        if missing:
            raise FlowError(f"{', '.join(missing)} must be set; see docs/how-to/schedule.md")
        os.environ["ECCL_WORKSPACE"] = str(place.root)
        with get_client(sync_client=True) as client:
            make_pools(client)
            limits = make_limits(client, place.root, chosen.gpus)
            apply(chosen.file)
            wait_for_schedule(client)
    except EcclError as error:
        print(f"eccl: {error}", file=sys.stderr)
        return 1
    print(f"Work pools: {', '.join(f'{name} ({limit} at once)' for name, limit in POOLS.items())}")
    print(f"Limits: {', '.join(f'{tag} {limit}' for tag, limit in limits.items())}")
    print("Deployments: ingest/nightly, validate/manual, train/gpu, publish/manual, withdraw/manual")
    print("Next: prefect worker start --pool eccl")
    return 0


if __name__ == "__main__":
    sys.exit(main())
