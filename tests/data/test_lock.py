from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eccl.data.lock import writing
from eccl.errors import LockedError

HOLD = """
import sys, time
from pathlib import Path
from eccl.data.lock import writing
with writing(Path(sys.argv[1]), "ingest"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_error_of_a_second_writer_names_the_holder(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with (
            pytest.raises(LockedError, match=rf"eccl ingest.*process {holder.pid} on .* for \d+ s"),
            writing(tmp_path, "publish"),
        ):
            pass
        holder.kill()
    # The kernel released it with its holder; the file that remained blocks no other process.
    with writing(tmp_path, "publish"):
        pass
