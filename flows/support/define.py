"""A flow from a function that takes one model of parameters."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from prefect import Flow, flow

from flows.support.hooks import HOOKS
from flows.support.parameters import Given, Parameters, read_parameters
from flows.support.policy import timeout_s
from flows.support.redaction import redact_errors

R = TypeVar("R")


def define(name: str, model: type[Given], *, hours: float) -> Callable[[Callable[[Given], R]], Flow[..., R]]:
    """Make a flow whose parameters are the fields of a model.

    A failure is reported once (:mod:`flows.support.hooks`), and no error that Prefect stores contains a participant id.

    Parameters
    ----------
    hours
        Wall-clock hours after which the flow is stopped: a limit for a flow that hangs, not for a large cohort.
        ``ECCL_TIMEOUT_HOURS_<FLOW>`` overrides it.
    """
    signature = _signature_of(model)

    def decorate(function: Callable[[Given], R]) -> Flow[..., R]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> R:
            return function(read_parameters(name, model, signature.bind(*args, **kwargs).arguments))

        run.__signature__ = signature  # type: ignore[attr-defined]  # Prefect reads parameters from here ...
        run.__annotations__ = {key: one.annotation for key, one in signature.parameters.items()}
        run.__doc__ = _docstring(function, model)  # ... and their descriptions from here
        return flow(name=name, timeout_seconds=timeout_s(name, hours), **HOOKS)(redact_errors(run))

    return decorate


def step(flow: Flow[..., R]) -> Flow[..., R]:
    """Return a flow as a step of another one, whose timeout then holds for both."""
    return flow.with_options(timeout_seconds=0)  # 0 is none


def _signature_of(model: type[Parameters]) -> inspect.Signature:
    types = get_type_hints(model, include_extras=True)
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                annotation=types[name],
                default=inspect.Parameter.empty if field.is_required() else field.default,
            )
            for name, field in model.model_fields.items()
        ]
    )


def _docstring(function: Callable[..., Any], model: type[Parameters]) -> str:
    fields = [f"    {name}: {field.description}" for name, field in model.model_fields.items()]
    return "\n".join([inspect.getdoc(function) or "", "", "Args:", *fields])
