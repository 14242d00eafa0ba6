"""No participant id in a run's log, state or artifact, whatever the message of a library contains."""

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
    """Replace every number that could be a participant id."""
    return _ID.sub("<id>", text)


def redact_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Remove ids from the errors that Prefect stores.

    An error may quote the name of a file or folder, which may contain an id. Such an error is replaced by one without ids and
    without the traceback's values.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if without_ids(str(error)) == str(error):
                raise
            raise _redacted(error) from None

    # Prefect reads types from here; as text they would be resolved among this module's names.
    signature = inspect.signature(function, eval_str=True)
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return run


def _redacted(error: Exception) -> Exception:
    """The error without ids, of the same class where possible, so that whether to try again is decided the same way."""
    if isinstance(error, EcclError) and not isinstance(error, Rejected):
        return type(error)(without_ids(str(error)))
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, os.strerror(error.errno), without_ids(str(error.filename or "")))
    return FlowError(f"{type(error).__name__}: {without_ids(str(error))}")
