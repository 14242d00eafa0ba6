"""One check of the doctor: what was looked at, how it is, what was found, what to do."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check.

    Parameters
    ----------
    state
        ``ok``; ``warning``: something will be slow, incomplete or unsafe; ``problem``: something will fail.
    found
        What was found. Never a credential, and never a participant's id.
    remedy
        What to do; empty where there is nothing to do.
    """

    name: str
    state: str
    found: str
    remedy: str = ""


def ok(name: str, found: str) -> Check:
    """A check that found what it wanted."""
    return Check(name, OK, found)


def warning(name: str, found: str, remedy: str) -> Check:
    """A check that found something slow, incomplete or unsafe."""
    return Check(name, WARNING, found, remedy)


def problem(name: str, found: str, remedy: str) -> Check:
    """A check that found something which will fail."""
    return Check(name, PROBLEM, found, remedy)
