"""A run: its identity before it is trained, and weights and record when it is finished.

::

    models/<run>/weights.safetensors
    models/<run>/run.json              the keys of schemas/tables/runs.sql and more; no wall-clock time

The run id is a content id: equal data, parameters, parents and stage give an equal id.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from eccl.data.files import atomic_path, sha256_file
from eccl.data.run_records import run_name as run_name
from eccl.data.run_records import training_command
from eccl.errors import ConfigError, VersionError, WorkspaceError
from eccl.sections import RENAMED, Model, read_section
from eccl.training.inputs.targets import TraitScaler, codes_of
from eccl.training.loop.runtime import Runtime, RuntimeConfig
from eccl.versioning.gate import GateStatus
from eccl.workspace import Workspace

N = TypeVar("N", bound=nn.Module)
C = TypeVar("C")
WEIGHTS = "weights.safetensors"
RECORD = "run.json"


@dataclass(frozen=True, slots=True)
class RunNames:
    """Name of a run, names of the runs that it builds on, and the arm of the experiment table that it is trained as.

    Parameters
    ----------
    run
        ``align-I21``, or ``align-I21.triplet.s43`` for an arm.
    parents
        Stage -> name of the run that is read from that stage.
    variant, seed
        Arm or pre-training of the experiment table, and its seed; None for the workspace's own runs.
    arm
        Description of the arm for run.json, see :meth:`eccl.study.arms.Variant.describe`; None for the workspace's own runs.
    """

    run: str
    parents: Mapping[str, str]
    variant: str | None = None
    seed: int | None = None
    arm: Mapping[str, Any] | None = None

    def parent(self, stage: str) -> str:
        """Name of the run that is read from a stage.

        Raises
        ------
        ConfigError
            The run has no parent of that stage.
        """
        if stage not in self.parents:
            raise ConfigError(
                f"{self.run} requires a run of stage {stage}, found parents {', '.join(self.parents) or 'none'}; "
                f"add {stage} to the arm's `parents` in experiments/arms.yaml"
            )
        return self.parents[stage]


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Everything that determines a run's numbers, and the names that follow from it.

    Parameters
    ----------
    variant, seed, arm
        See :class:`RunNames`. Older records have no `arm`. None of them is part of the run id.
    """

    run: str
    run_id: str
    stage: str
    task: str | None
    preset: str
    data_version: str
    params: Mapping[str, Any]
    params_sha256: str
    parents: tuple[Mapping[str, str], ...]
    variant: str | None = None
    seed: int | None = None
    arm: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run on disk."""

    record: Mapping[str, Any]
    folder: Path

    @property
    def run_id(self) -> str:
        return str(self.record["run_id"])

    @property
    def params(self) -> Mapping[str, Any]:
        """Resolved parameters the run was trained with."""
        params: Mapping[str, Any] = self.record["params"]
        return params

    def read_params(self, model: type[Model], *path: str) -> Model:
        """Read a section of the parameters, e.g. ``config``, ``encoder``.

        Raises
        ------
        ConfigError
            The section does not fit this version of the code.
        """
        content: Any = self.params
        for key in path:
            content = content[key]
        present = {RENAMED.get(key, key): value for key, value in content.items()}  # records of earlier versions
        return read_section(model, present, ".".join(path), f"models/{self.record['run']}/run.json")

    def weights(self) -> dict[str, Tensor]:
        """Weights by name.

        Raises
        ------
        VersionError
            The file is not the recorded one.
        """
        from safetensors.torch import load_file

        path = self.folder / WEIGHTS
        if not path.is_file() or sha256_file(path) != self.record["weights_sha256"]:
            raise VersionError(
                f"the weights of {self.record['run']} are missing or not those its {RECORD} records; "
                "run `dvc checkout`, or train the stage again"
            )
        weights: dict[str, Tensor] = load_file(path)
        return weights


@dataclass(frozen=True, slots=True)
class RunContext(Generic[N, C]):
    """A run's network with all that it needs to be trained or to compute features.

    Parameters
    ----------
    network
        On the runtime's device.
    config
        Section of the run's stage.
    scaler
        Converts standardised traits to their units; None for a disease and for pre-training.
    """

    network: N
    config: C
    identity: RunIdentity
    scaler: TraitScaler | None
    runtime: Runtime


def load_context(run: Run, rebuild: Callable[[Run], tuple[N, C]], config: RuntimeConfig) -> RunContext[N, C]:
    """Load a finished run from its own record and weights, on one device.

    Parameters
    ----------
    rebuild
        The function of this name of the run's stage.
    config
        Precision ``auto`` is the one the run was trained in: new rows are compared with those of that precision.
    """
    precision = run.record["runtime"]["precision"] if config.precision == "auto" else config.precision
    runtime = Runtime(config.model_copy(update={"devices": 1, "precision": precision}))
    network, settings = rebuild(run)
    return RunContext(network.to(runtime.device), settings, identity_of(run), scaler_of(run), runtime)


def identity_of(run: Run) -> RunIdentity:
    """Identity of a finished run, from its record."""
    names = [field.name for field in dataclasses.fields(RunIdentity) if field.name in run.record]
    return RunIdentity(**{name: run.record[name] for name in names})


def scaler_of(run: Run) -> TraitScaler | None:
    """Scaler of a finished run, from its record; None for a disease."""
    content = run.record.get("trait_scaler")
    return None if content is None else TraitScaler.from_json(content)


def count_targets(run: Run) -> int:
    """Outputs of a finished run's head."""
    scaler = scaler_of(run)
    return (0 if scaler is None else len(scaler.field_ids)) + len(codes_of(run.record["task"]))


def own_names(stage: str, task: str | None) -> RunNames:
    """Names of one of the workspace's own runs."""
    parents = {"pretrain_ecg": "pretrain_ecg", "pretrain_cmae": "pretrain_cmae", "align": "align-traits"}
    return RunNames(run_name(stage, task), {**parents, "pretrain_cmr": run_name("pretrain_cmr", task)})


def identify(
    stage: str,
    task: str | None,
    preset: str,
    params: Mapping[str, Any],
    data_version: str,
    parents: Sequence[Run] = (),
    names: RunNames | None = None,
) -> RunIdentity:
    """Compute the identity of a run before it is trained; without `names` it is one of the workspace's own."""
    names = names or own_names(stage, task)
    resolved = json.loads(_canonical(params))
    params_sha256 = hashlib.sha256(_canonical(resolved).encode()).hexdigest()
    content = {
        "stage": stage,
        "task": task,
        "data_version": data_version,
        "params_sha256": params_sha256,
        "parents": sorted(parent.record["weights_sha256"] for parent in parents),
    }
    run_id = f"{names.run}-{hashlib.sha256(_canonical(content).encode()).hexdigest()[:12]}"
    described = tuple({name: parent.record[name] for name in ("run", "run_id", "weights_sha256")} for parent in parents)
    arm = json.loads(_canonical(names.arm)) if names.arm else None  # before training, not after it
    return RunIdentity(
        run=names.run,
        run_id=run_id,
        stage=stage,
        task=task,
        preset=preset,
        data_version=data_version,
        params=resolved,
        params_sha256=params_sha256,
        parents=described,
        variant=names.variant,
        seed=names.seed,
        arm=arm,
    )


def save_run(
    workspace: Workspace,
    identity: RunIdentity,
    module: nn.Module,
    gate: GateStatus,
    device: str,
    result: Mapping[str, Any],
) -> Run:
    """Write weights and record as one folder, which appears whole.

    Parameters
    ----------
    result
        ``best_epoch``, ``metrics``, ``split_counts`` and what else the stage records, e.g. ``trait_scaler``.
    """
    import safetensors.torch

    from eccl import __version__

    folder = workspace.run_folder(identity.run)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
        # save_file would make the file readable by its owner only; a plain write leaves permissions to the umask.
        (temporary / WEIGHTS).write_bytes(safetensors.torch.save(state))
        record = {
            **dataclasses.asdict(identity),
            "parents": list(identity.parents),
            "weights_sha256": sha256_file(temporary / WEIGHTS),
            "parameter_count": sum(parameter.numel() for parameter in module.parameters()),
            "gate": {"status": gate.status, "sha256": gate.sha256, "override": gate.override},
            "device": device,
            "code_version": __version__,
            **result,
        }
        (temporary / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True, allow_nan=False) + "\n")
    return Run(record, folder)


def load_run(workspace: Workspace, run: str) -> Run:
    """Read a finished run's record.

    Raises
    ------
    WorkspaceError
        The run has not been trained.
    """
    folder = workspace.run_folder(run)
    if not (folder / RECORD).is_file():
        raise WorkspaceError(f"models/{run} holds no {RECORD}; train it first: `{training_command(run)}`")
    return Run(json.loads((folder / RECORD).read_text()), folder)


def load_parent(workspace: Workspace, run: str, data_version: str) -> Run:
    """Read a run that another one builds on.

    Raises
    ------
    VersionError
        It was trained on other data than the workspace holds now.
    """
    parent = load_run(workspace, run)
    if parent.record["data_version"] != data_version:
        raise VersionError(
            f"{run} was trained on data version {parent.record['data_version']}, the workspace holds {data_version}; "
            f"run `{training_command(run)}` again"
        )
    return parent


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], what: str) -> None:
    """Load weights that must fit exactly.

    Raises
    ------
    VersionError
        Lists missing names, unexpected names and differing shapes; nothing is loaded then.
    """
    own = module.state_dict()
    missing = sorted(set(own) - set(weights))
    unexpected = sorted(set(weights) - set(own))
    reshaped = sorted(name for name in set(own) & set(weights) if own[name].shape != weights[name].shape)
    if missing or unexpected or reshaped:
        raise VersionError(
            f"the weights of {what} do not fit the network: missing {_some(missing)}, unexpected {_some(unexpected)}, "
            f"other shape {_some(reshaped)}; the parent was trained with other parameters or code, train it again"
        )
    module.load_state_dict(dict(weights), strict=True)


def select_prefix(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Weights below a prefix, without it: ``encoder.`` selects the encoder of an autoencoder."""
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _some(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) or "none") + more
