"""No number that could be a participant's id, in any tracked file or file name.

Participant ids have seven digits, 1,000,000 to about 6,500,000; simulated ones start at 9,000,000. The pattern is the
one UK Biobank's own audit tool looks for (a number, not part of a longer number, a decimal or a genetic variant's name).
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PATTERN = re.compile(r"(?<!\d)(?<!\.)(?<!rs)(10[0-9]{5}|[1-5][0-9]{6}|6[0-4][0-9]{5}|650{5})(?!\d)")

# Hashes are hexadecimal, matplotlib names clip paths and markers of an SVG by them, and DVC's files hold sizes in bytes:
# none can be an id, all may look like one.
DIGEST = re.compile(r"(?<![0-9A-Za-z])(?=[0-9]*[a-f])[0-9a-f]{12,64}(?![0-9A-Za-z])")
MARK = re.compile(r"(?<=[\"#])[pm][0-9a-f]{10}(?=[\")])")
SIZE = re.compile(r"^\s*(?:- )?size: \d+$")


def find_ids(root: Path) -> list[str]:
    """Places (file:line) in tracked files and names that look like participant ids."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout.decode()
    found: list[str] = []
    for name in filter(None, listed.split("\0")):
        if PATTERN.search(DIGEST.sub("", name)):
            found.append(f"{name}: file name")
        path = root / name
        if not path.is_file():
            continue
        is_dvc = path.suffix in {".dvc", ".lock"}
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        found += [
            f"{name}:{number}"
            for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1)
            if PATTERN.search(MARK.sub("", DIGEST.sub("", line))) and not (is_dvc and SIZE.match(line))
        ]
    return found


if __name__ == "__main__":
    places = find_ids(Path(__file__).resolve().parents[1])
    for place in places:
        print(f"{place}: looks like a participant id; use simulated ids from 9,000,000 up")
    sys.exit(bool(places))
