"""Coverage-guided fuzzing of the readers; see README.md in this folder.

python tests/fuzz/atheris_readers.py ecg|sax|zip|table [libFuzzer options] CORPUS
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
with atheris.instrument_imports(include=["eccl.readers", "pydicom.filereader", "pydicom.fileutil", "zipfile"]):
    from tests.fuzz import targets

from tests.fuzz import seeds
from tests.fuzz.compact import expand_ecg, expand_sax, shrink_ecg, shrink_sax


def ecg(data: bytes) -> None:
    targets.ecg(expand_ecg(data))


def sax(data: bytes) -> None:
    targets.sax(expand_sax(data))


def container(data: bytes) -> None:
    targets.sax(data)


def table(data: bytes) -> None:
    # The frames made from a table take ten times as long as reading it.
    targets.table(data, with_frames=len(data) % 16 == 0)
    targets.withdrawals(data)


def write_seeds(corpus: Path, contents: list[bytes]) -> None:
    """Put the first inputs into an empty corpus."""
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        for number, content in enumerate(contents):
            (corpus / f"seed-{number}").write_bytes(content)


def main() -> None:
    kinds: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
        "ecg": (ecg, lambda: [shrink_ecg(file) for file in seeds.ecg_files()]),
        "sax": (sax, lambda: [shrink_sax(file) for file in seeds.sax_zips()]),
        "zip": (container, lambda: list(seeds.sax_zips())),
        "table": (table, lambda: [*seeds.tables(), seeds.WITHDRAWALS]),
    }
    kind, *options = sys.argv[1:]
    target, make_seeds = kinds[kind]
    write_seeds(Path(options[-1]), make_seeds())
    warnings.simplefilter("error")
    atheris.Setup([sys.argv[0], *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
