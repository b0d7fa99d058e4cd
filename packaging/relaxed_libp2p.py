"""Make a libp2p wheel that plain pip can install without a compiler (docs/adr/0001-installing-without-a-compiler.md).

    python3 packaging/relaxed_libp2p.py DIRECTORY
    pip install --find-links DIRECTORY .
    pipx install --pip-args "--find-links DIRECTORY" .

libp2p's own wheel of the locked version is fetched, checked against the lock's hash, and written again with one line of
its metadata changed: it accepts the fastecdsa of overrides.txt, which has wheels. No code is changed. The version gets
the local part ``+pincrew.1``: pip prefers it and counts it as the version that pyproject.toml asks for. Nothing but
pip and the standard library is needed.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
LOCAL = "+pincrew.1"


def override() -> str:
    """Return the requirement that takes the place of libp2p's own on the same project."""
    return (HERE / "overrides.txt").read_text(encoding="utf-8").splitlines()[-1]


def locked_libp2p() -> str:
    """Return the lock's lines on libp2p, hashes included."""
    found = re.search(r"^libp2p==.*\n(?:    .*\n)+", (HERE / "requirements.lock").read_text(encoding="utf-8"), re.M)
    assert found, "libp2p is not in requirements.lock"
    return found.group()


def fetch(folder: Path) -> Path:
    """Download libp2p's wheel of the lock into ``folder``; pip refuses one with another hash."""
    wanted = folder / "libp2p.txt"
    wanted.write_text(locked_libp2p(), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--require-hashes", "--dest", str(folder), "--requirement", str(wanted)], check=True)
    (wheel,) = folder.glob("libp2p-*.whl")
    return wheel


def relaxed_metadata(text: str, version: str) -> str:
    """Return METADATA with the new version and with the override in place of the pin that needs a compiler."""
    name = override().partition("==")[0]
    text, versions = re.subn(rf"(?m)^Version: {re.escape(version)}$", f"Version: {version}{LOCAL}", text, count=1)
    text, pins = re.subn(rf"(?m)^Requires-Dist: {name}==[^;\n]*", f"Requires-Dist: {override()}", text)
    assert (versions, pins) == (1, 1), "libp2p's metadata is not what this script was written for"
    return text


def rewrite(original: Path, folder: Path) -> Path:
    """Write ``original`` into ``folder`` under its new version: METADATA, RECORD and the folder of both differ."""
    name, version, *tags = original.stem.split("-")
    old, new = f"{name}-{version}.dist-info/", f"{name}-{version}{LOCAL}.dist-info/"
    target = folder / f"{'-'.join([name, version + LOCAL, *tags])}.whl"
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    with zipfile.ZipFile(original) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for entry in source.infolist():
            if entry.filename == old + "RECORD":
                continue
            content = source.read(entry)
            if entry.filename == old + "METADATA":
                content = relaxed_metadata(content.decode("utf-8"), version).encode("utf-8")
            path = new + entry.filename.removeprefix(old) if entry.filename.startswith(old) else entry.filename
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.writerow([path, f"sha256={digest}", len(content)])
            out.writestr(zipfile.ZipInfo(path, entry.date_time), content, zipfile.ZIP_DEFLATED)
        rows.writerow([new + "RECORD", "", ""])
        out.writestr(new + "RECORD", record.getvalue())
    return target


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit("usage: python3 packaging/relaxed_libp2p.py DIRECTORY")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        print(rewrite(fetch(Path(scratch)), folder))


if __name__ == "__main__":
    main()
