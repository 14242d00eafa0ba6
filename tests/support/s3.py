"""A real S3 server on loopback: SeaweedFS, with keys that it checks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY, SECRET = "eccl-tests", "not-a-secret"


@dataclass(frozen=True)
class Bucket:
    """A bucket on the test server."""

    endpoint: str
    name: str

    @property
    def environment(self) -> dict[str, str]:
        """What fsspec, s3fs and DVC read to find the server."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def files(self) -> Any:
        """The bucket as an fsspec file system."""
        import s3fs

        return s3fs.S3FileSystem(
            key=KEY, secret=SECRET, endpoint_url=self.endpoint, skip_instance_cache=True, use_listings_cache=False
        )

    def bytes_stored(self, prefix: str) -> int:
        """Bytes under a prefix."""
        return sum(info["size"] for info in self.files().find(f"{self.name}/{prefix}", detail=True).values())


@contextmanager
def serve_s3(folder: Path, bucket: str) -> Iterator[Bucket]:
    """Start the server on free ports with one bucket; end it afterwards."""
    folder.mkdir(parents=True)
    identity = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    ports = dict(zip(("master", "volume", "filer", "s3"), _free_ports(4), strict=True))
    command = ["weed", "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += [
        f"-{name}.port.grpc={port}"
        for name, port in zip(("master", "volume", "filer", "s3"), _free_ports(4), strict=True)
    ]
    command += [f"-s3.config={folder / 's3.json'}", "-volume.max=64", "-master.volumeSizeLimitMB=64"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=_environment())
    try:
        made = Bucket(f"http://127.0.0.1:{ports['s3']}", bucket)
        _make_bucket(made, server)
        yield made
    finally:
        server.kill()  # its orderly end takes half a minute
        server.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])}


def _make_bucket(made: Bucket, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 600
    while True:
        try:
            made.files().mkdir(made.name)
            made.files().pipe_file(f"{made.name}/ready", b"yes")
            made.files().rm_file(f"{made.name}/ready")
            return
        except Exception:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
