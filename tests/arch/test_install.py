"""install.sh as a new user meets it: no compiler, empty home, empty cache; and each thing that may be missing."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

import pytest

from support.source_tree import FOLDERS, ROOT

pytestmark = pytest.mark.slow

SHIPPED = ["install.sh", "pyproject.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE", "packaging", *FOLDERS]
NO_INDEX = "the Python package index cannot be reached"
# What install.sh needs besides a Python.
TOOLS = "awk cat cksum cp df dirname find grep ln mkdir mktemp readlink rm rmdir sed sh sleep sort tail uname"


@dataclass(frozen=True)
class Machine:
    """An empty home, an empty pip cache, a clone of its own; compilers fail."""

    clone: Path
    home: Path
    data: Path
    temporary: Path

    def run(self, *arguments: str, shell: str = "sh", **changes: str | None) -> subprocess.CompletedProcess[str]:
        kept = ("PATH", "LANG", "SSL_CERT_FILE", "PIP_CERT", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT")
        proxies = [name for name in os.environ if name.lower().endswith("_proxy")]
        environment: dict[str, str | None] = {name: os.environ.get(name) for name in (*kept, *proxies)}
        environment |= {
            "HOME": str(self.home),
            "XDG_DATA_HOME": str(self.data),
            "PIP_CACHE_DIR": str(self.temporary / "pip-cache"),
            "TMPDIR": str(self.temporary),
            "PINCREW_PYTHON": sys.executable,
            "CC": "/bin/false",
            "CXX": "/bin/false",
        }
        environment |= changes
        return subprocess.run(
            [shell, "install.sh", *arguments],
            cwd=self.clone,
            env={name: value for name, value in environment.items() if value is not None},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def venv(self) -> Path:
        return self.data / "pincrew" / "venv"

    @property
    def link(self) -> Path:
        return self.home / ".local" / "bin" / "pincrew"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(*(tmp_path / name for name in ("clone", "home", "data", "temporary")))
    for folder in (made.clone, made.home, made.data, made.temporary):
        folder.mkdir()
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, made.clone / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, made.clone / name)
    return made


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def tools_only(folder: Path) -> str:
    """Make a PATH that holds the everyday tools and no Python."""
    folder.mkdir()
    for tool in TOOLS.split():
        found = shutil.which(tool)
        assert found is not None, tool
        (folder / tool).symlink_to(found)
    return str(folder)


def a_process_id_of_the_past() -> int:
    finished = subprocess.Popen(["true"])
    finished.wait()
    return finished.pid


def assert_one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit 2, one line of talk on stderr, nothing on stdout, and ``words`` in it."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("install.sh: "), done.stderr
    for word in words:
        assert word in done.stderr


def test_installs_without_a_compiler_twice_and_uninstalls(machine: Machine) -> None:
    state = machine.data / "pincrew" / "clusters" / "films"
    state.mkdir(parents=True)
    (state / "identity.key").write_text("a secret that nobody can make again")

    # An installation that was killed half way: its process is gone, and its venv is not to be trusted.
    (machine.venv / "bin").mkdir(parents=True)
    program(machine.venv / "bin" / "python", "exit 0")
    machine.venv.with_name("venv.installing").write_text(str(a_process_id_of_the_past()))

    first = machine.run()
    if first.returncode == 2 and "cannot be reached" in first.stderr:
        pytest.skip(NO_INDEX)
    assert first.returncode == 0, first.stderr
    assert "interrupted" in first.stderr
    assert f"{machine.link} follow SOURCE" in first.stdout
    assert "export PATH" in first.stdout  # ~/.local/bin of this home is not on PATH
    version = subprocess.run([machine.link, "version"], capture_output=True, text=True, check=False)
    assert version.returncode == 0 and "0.1.0" in version.stdout, version.stderr
    imports = "import libp2p, pycrdt, pincrew.follow, pincrew.trusted"
    subprocess.run([machine.venv / "bin" / "python", "-c", imports], check=True, cwd=machine.temporary)
    assert not list(machine.clone.glob("*.egg-info")) and not (machine.clone / "build").exists()

    stamp = (machine.venv / ".pincrew-stamp").stat().st_mtime_ns
    second = machine.run(PIP_INDEX_URL="http://127.0.0.1:9/simple")  # nothing to fetch
    assert (second.returncode, second.stdout) == (0, first.stdout), second.stderr
    assert (machine.venv / ".pincrew-stamp").stat().st_mtime_ns == stamp

    changed = machine.clone / "pincrew" / "__init__.py"
    changed.write_text(changed.read_text() + "MARK = 1\n")
    third = machine.run(PATH=f"{machine.link.parent}:{os.environ['PATH']}")
    assert third.returncode == 0, third.stderr
    assert "export PATH" not in third.stdout and "\n    pincrew follow SOURCE\n" in third.stdout
    installed = [machine.venv / "bin" / "python", "-c", "import pincrew; print(pincrew.MARK)"]
    assert subprocess.check_output(installed, text=True, cwd=machine.temporary).strip() == "1"

    gone = machine.run("uninstall")
    assert gone.returncode == 0 and str(machine.data / "pincrew") in gone.stdout
    assert not machine.link.is_symlink() and not machine.venv.exists()
    assert (state / "identity.key").exists(), "uninstall never removes what only the user has"
    again = machine.run("uninstall")
    assert again.returncode == 0


def test_libp2p_for_plain_pip(machine: Machine, tmp_path: Path) -> None:
    """The wheel of packaging/relaxed_libp2p.py asks for a fastecdsa that has wheels, and is otherwise libp2p's."""
    script = machine.clone / "packaging" / "relaxed_libp2p.py"
    made = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "wheels")], capture_output=True, text=True, check=False
    )
    if made.returncode and "onnection" in made.stderr:
        pytest.skip(NO_INDEX)
    assert made.returncode == 0, made.stderr
    (path,) = (tmp_path / "wheels").iterdir()
    with zipfile.ZipFile(path) as wheel:
        folder = f"{'-'.join(path.name.split('-')[:2])}.dist-info"
        metadata = message_from_bytes(wheel.read(f"{folder}/METADATA"))
        overridden = [line for line in metadata.get_all("Requires-Dist", []) if line.startswith("fastecdsa")]
        override = (ROOT / "packaging" / "overrides.txt").read_text().splitlines()[-1]
        assert overridden == [f'{override}; sys_platform != "win32"']
        rows = list(csv.reader(wheel.read(f"{folder}/RECORD").decode().splitlines()))
        assert sorted(row[0] for row in rows) == sorted(wheel.namelist())
        for name, digest, size in rows[:-1]:
            content = wheel.read(name)
            assert len(content) == int(size)
            expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert digest == f"sha256={expected}"


def test_no_python(machine: Machine, tmp_path: Path) -> None:
    done = machine.run(PATH=tools_only(tmp_path / "tools"), PINCREW_PYTHON=None, shell="/bin/sh")
    assert_one_sentence(done, "no Python 3.11, 3.12 or 3.13", "PINCREW_PYTHON")


def test_python_too_old(machine: Machine, tmp_path: Path) -> None:
    tools = tools_only(tmp_path / "tools")
    program(tmp_path / "tools" / "python3", 'echo "$3 is Python 3.9, and pincrew needs 3.11, 3.12 or 3.13."')
    assert_one_sentence(machine.run(PATH=tools, PINCREW_PYTHON=None, shell="/bin/sh"), "3.9", "3.11")


@pytest.mark.parametrize("module", ["venv", "ensurepip", "sqlite3"])
def test_python_without_a_module(machine: Machine, tmp_path: Path, module: str) -> None:
    """Debian's python3 comes without ensurepip: a Python that cannot import the module stands for it."""
    hider = tmp_path / "hider"
    hider.mkdir()
    (hider / "sitecustomize.py").write_text(f"import sys\nsys.modules[{module!r}] = None\n")
    python = tmp_path / "bin" / "python3"
    program(python, f'PYTHONPATH={hider} exec {sys.executable} "$@"')
    assert_one_sentence(machine.run(PINCREW_PYTHON=str(python)), f"`{module}`", "install it")


def test_named_python_is_not_there(machine: Machine) -> None:
    assert_one_sentence(machine.run(PINCREW_PYTHON="/nowhere/python3"), "PINCREW_PYTHON", "/nowhere/python3")


def test_no_room(machine: Machine, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "df", "echo header; echo /dev/disk 1000 900 102400 90% /")
    done = machine.run(PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert_one_sentence(done, "100 MiB free", "make room")
    assert not machine.venv.exists()


def test_no_network(machine: Machine) -> None:
    done = machine.run(PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.returncode == 2
    assert "cannot be reached" in done.stderr.splitlines()[-1]
    assert not machine.link.exists()
    assert not machine.venv.with_name("venv.installing").exists()


def test_no_home(machine: Machine) -> None:
    assert_one_sentence(machine.run(HOME=None), "HOME")


def test_other_system(machine: Machine, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "uname", "echo MINGW64_NT")
    done = machine.run(PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert_one_sentence(done, "Linux and macOS", "WSL")


def test_a_program_of_that_name_is_left_alone(machine: Machine) -> None:
    program(machine.link, "echo mine")
    assert_one_sentence(machine.run(), str(machine.link), "move it away")
    assert machine.run("uninstall").returncode == 0
    assert machine.link.read_text().endswith("echo mine\n")


def test_unknown_verb(machine: Machine) -> None:
    done = machine.run("frobnicate")
    assert done.returncode == 2 and "no `frobnicate`" in done.stderr and "./install.sh demo" in done.stderr


@pytest.mark.parametrize(
    "script", ["install.sh", ".ci/run", *(f"packaging/dev/get-{what}.sh" for what in ("kubo", "cluster", "npm-client"))]
)
def test_scripts_are_posix_sh_and_executable(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & stat.S_IXUSR
    assert path.read_text().startswith("#!/bin/sh\n")
    for shell in ("sh", "dash"):
        if shutil.which(shell):
            subprocess.run([shell, "-n", str(path)], check=True)
