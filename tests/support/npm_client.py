"""ipfs-cluster's npm client, `@nftstorage/ipfs-cluster`, as a process that a test calls: unmodified, on a real Node."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.kubo import kubo_cache

NPM_CLIENT_VERSION = "5.0.1"
NO_NPM_CLIENT = "no Node with ipfs-cluster's npm client was found: packaging/dev/get-npm-client.sh installs the client"
_DRIVER = Path(__file__).with_suffix(".mjs")


def find_npm_client() -> Path | None:
    """Return the folder of the package to test with, or None; also where there is no Node to run it."""
    folder = kubo_cache() / f"npm-client-{NPM_CLIENT_VERSION}" / "node_modules" / "@nftstorage" / "ipfs-cluster"
    return folder if folder.is_dir() and shutil.which("node") else None


class Rejected(Exception):
    """A promise of the client was rejected; ``status`` is that of the answer, 0 where there was none."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class NpmClient:
    """One `Cluster` object of the package."""

    process: subprocess.Popen[str]

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method; return what its promise became. Raises Rejected."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"call": method, "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise Rejected(answer["error"], answer["status"])
        return answer.get("result")


@contextmanager
def npm_client(folder: Path, url: str, headers: Mapping[str, str] | None = None) -> Iterator[NpmClient]:
    """Give a client of the API at ``url``; afterwards its process is gone."""
    words = ["node", str(_DRIVER), str(folder), url, json.dumps(headers or {})]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield NpmClient(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def file(text: str, name: str, kind: str = "") -> dict[str, str]:
    """Return an argument that is a `File`."""
    return {"$file": text, "name": name, "type": kind}


def blob(content: bytes) -> dict[str, str]:
    """Return an argument that is a `Blob`."""
    return {"$bytes": base64.b64encode(content).decode()}


def moment(text: str) -> dict[str, str]:
    """Return an argument that is a `Date`."""
    return {"$date": text}
