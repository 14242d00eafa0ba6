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
    from eccl.evaluation.table1 import to_markdown
    from eccl.workspace import find_workspace

    try:
        table = evaluate(find_workspace(arguments.workspace))
    except EcclError as error:
        print(f"eccl: {error}", file=sys.stderr)
        return 1
    print(to_markdown(table, "of params.yaml"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
