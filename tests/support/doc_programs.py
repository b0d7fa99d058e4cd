"""The programs in the documentation's pages, so that tests can run them as a reader does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.machines import COMMAND_TIMEOUT_S, Machine, Said
from support.source_tree import ROOT


def programs(page: str) -> list[str]:
    """Return the Python programs of a page, in their order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run_program(machine: Machine, program: str, folder: Path) -> Said:
    """Run one on a machine; it must end well."""
    file = folder / "program.py"
    file.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", str(file)],
        env=machine.environment,
        cwd=machine.folder,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    said = Said(program.splitlines()[0], done.returncode, done.stdout, done.stderr)
    assert said.code == 0, f"{said.err}\n--- log of {machine.name}\n{machine.log()}"
    return said
