"""What a trap is, and what may become of it. The tables of traps are ecg_cases, cine_cases and table_cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from eccl.errors import Reason

Verdict = Literal["accepted", "flagged", "repaired", "quarantined"]
Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the ingest makes of a file.

    Parameters
    ----------
    verdict
        accepted: a row without remark; flagged: a row whose `flags` hold it; repaired: a row with a column that counts or
        names the repair; quarantined: a row of quarantine.
    reason
        Why it is quarantined.
    flags
        Exactly the remarks that the row carries.
    columns
        Further columns of the row.
    """

    verdict: Verdict
    reason: Reason | None = None
    flags: tuple[str, ...] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)

    def in_words(self) -> str:
        """One line of the page."""
        if self.reason is not None:
            return f"quarantined: `{self.reason.value}`"
        parts = [f"flag `{flag}`" for flag in self.flags]
        parts += [f"`{name}` = {_shown(value)}" for name, value in self.columns.items()]
        return ": ".join((self.verdict, ", ".join(parts))) if parts else self.verdict


@dataclass(frozen=True, slots=True)
class Case:
    """One trap: a file made from a clean one, and its outcome.

    Parameters
    ----------
    section
        Section of the fact sheet on UK Biobank's formats; ``hostile`` for files made to do harm.
    change
        Makes the file's bytes of a clean recording or study.
    """

    id: str
    section: str
    trap: str
    change: Callable[[Any], bytes]
    outcome: Outcome

    def in_words(self) -> str:
        """One line of the page."""
        return self.outcome.in_words()


def accepted(**columns: object) -> Outcome:
    """The file becomes data like any other."""
    return Outcome("accepted", columns=columns)


def flagged(*flags: str, **columns: object) -> Outcome:
    """The file becomes data, and its row records what was unusual."""
    return Outcome("flagged", flags=tuple(sorted(flags)), columns=columns)


def repaired(*flags: str, **columns: object) -> Outcome:
    """The file becomes data after a repair that a column records."""
    return Outcome("repaired", flags=tuple(sorted(flags)), columns=columns)


def quarantined(reason: Reason) -> Outcome:
    """Nothing of the file becomes data."""
    return Outcome("quarantined", reason)


def _shown(value: object) -> str:
    if value is None:
        return "null"
    return f"`{value}`" if isinstance(value, str) else str(value)
