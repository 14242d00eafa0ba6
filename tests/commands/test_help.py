"""Every command has a panel, an example and documented options; commands that change a workspace have --dry-run."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from eccl.commands.app import PANELS, app
from tests.support.scripts import load_script

ROOT = Path(__file__).resolve().parents[2]
READ_ONLY = {
    "quarantine list", "validate", "sql", "features list", "features show", "features get", "similar", "lineage",
    "versions", "diff", "predict", "card", "associations", "status", "doctor", "stage validate",
}  # fmt: skip
"""Commands that only read, or write nothing but reports/ or the file that --out names."""
LISTING = {
    "quarantine list", "validate", "sql", "features list", "features show", "features get", "similar", "lineage",
    "versions", "diff", "predict", "card", "associations", "status", "doctor", "figures", "materialize", "withdraw",
    "train", "table1", "adopt",
}  # fmt: skip
SHARED = ("--workspace", "--dry-run", "--json", "--csv", "--record", "--release", "--rows")


reference = load_script("commands")
ENTRIES = {entry.name: entry for entry in reference.list_commands()}
every_command = pytest.mark.parametrize("name", ENTRIES)


def _options(name: str) -> set[str]:
    return {option for one in ENTRIES[name].parameters for option in one.opts}


@every_command
def test_help_is_printed_with_an_example(name: str) -> None:
    done = CliRunner().invoke(app, [*name.split(), "--help"])
    assert done.exit_code == 0
    assert ENTRIES[name].examples
    assert all(example.startswith(f"eccl {name}") for example in ENTRIES[name].examples)


@every_command
def test_every_argument_and_option_is_documented(name: str) -> None:
    assert [one.name for one in ENTRIES[name].parameters if not one.help] == []


@every_command
def test_a_command_that_changes_a_workspace_has_a_dry_run(name: str) -> None:
    assert ("--dry-run" in _options(name)) or name in READ_ONLY


@pytest.mark.parametrize("name", sorted(LISTING))
def test_a_listing_command_prints_json(name: str) -> None:
    assert "--json" in _options(name)


@pytest.mark.parametrize("option", SHARED)
def test_a_shared_option_has_one_help_text(option: str) -> None:
    texts = {one.help for entry in ENTRIES.values() for one in entry.parameters if option in one.opts}
    assert len(texts) == 1


def test_the_panels_are_printed_in_order() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    places = [text.index(f"─ {panel} ─") for panel in PANELS]
    assert places == sorted(places)
    for entry in ENTRIES.values():
        assert f" {entry.name.split()[0]} " in text


def test_every_command_has_a_panel() -> None:
    from typer.main import get_command

    assert {name.split()[0] for name in ENTRIES} == set(get_command(app).commands)  # type: ignore[attr-defined]


def test_the_reference_page_is_up_to_date() -> None:
    assert reference.PAGE.read_text() == reference.commands_page(), "run `python docs/scripts/commands.py`"
