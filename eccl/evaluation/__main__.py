"""``python -m eccl.evaluation``: the evaluate stage."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from eccl.errors import EcclError


def main() -> int:
    """Parse and call."""
    parser = argparse.ArgumentParser(prog="python -m eccl.evaluation", description="Score predictions against truth.")
    parser.add_argument("--workspace", type=Path, default=None, help="folder with params.yaml")
    arguments = parser.parse_args()
    from eccl.evaluation.evaluate import evaluate
    from eccl.workspace import find_workspace

    try:
        print(evaluate(find_workspace(arguments.workspace)), end="")
    except EcclError as error:
        print(f"eccl: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
