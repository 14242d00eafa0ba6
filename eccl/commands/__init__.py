"""The command line: one file per verb; each parses and calls, nothing else."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; an error of ours is one line, not a traceback."""
    from eccl.commands.app import app
    from eccl.errors import EcclError

    try:
        app(prog_name="eccl")
    except EcclError as error:
        print(f"eccl: {error}", file=sys.stderr)
        sys.exit(1)
