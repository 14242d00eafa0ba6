"""No participant id in a run's log, state or artifact, whatever another library puts into its message."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from eccl.errors import EcclError, FlowError, Rejected

P = ParamSpec("P")
R = TypeVar("R")

# Ids have seven digits. A number that is part of a longer word of hexadecimal digits is a hash.
_ID = re.compile(r"(?<![0-9a-fA-F])(?<![0-9]\.)[1-9][0-9]{6}(?![0-9a-fA-F])")


def without_ids(text: str) -> str:
    """Replace whatever could be a participant's id."""
    return _ID.sub("<id>", text)


def discreet(function: Callable[P, R]) -> Callable[P, R]:
    """Keep ids out of what Prefect stores of an error.

    An error may quote a file's name, or a folder's that somebody named after a participant; it is raised anew without it, and
    without its traceback's values.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if without_ids(str(error)) == str(error):
                raise
            raise _told_discreetly(error) from None

    # Prefect reads types from here; as text they would be looked up among this module's names.
    signature = inspect.signature(function, eval_str=True)
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return run


def _told_discreetly(error: Exception) -> Exception:
    if isinstance(error, EcclError) and not isinstance(error, Rejected):
        return type(error)(
            without_ids(str(error))
        )  # of the same class, so that it is told and tried again in the same way
    if isinstance(error, OSError) and error.errno is not None:
        # Of the same class, so that whether to try again is decided in the same way.
        return OSError(error.errno, os.strerror(error.errno), without_ids(str(error.filename or "")))
    return FlowError(f"{type(error).__name__}: {without_ids(str(error))}")
