"""Rules that no import says: the folders' names, locked dependencies, and handlers that catch everything."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.source_tree import ROOT, Module, modules

ROLES = ["follow", "trusted", "tui"]
BROAD = {"Exception", "BaseException", "ExceptionGroup", "BaseExceptionGroup"}
BROADEST = {"BaseException", "BaseExceptionGroup"}


@pytest.mark.parametrize("folder", ROLES)
def test_folder_cannot_be_imported_under_pytest(folder: str) -> None:
    found = find_spec(folder)
    # tests/tui lies on pytest's path as the folder that it is; the product's must not.
    assert found is None or set(found.submodule_search_locations or ()) == {str(ROOT / "tests" / folder)}


@pytest.mark.parametrize("folder", ROLES)
def test_folder_is_imported_as_part_of_pincrew(folder: str) -> None:
    found = find_spec(f"pincrew.{folder}")
    assert found is not None and found.origin is not None
    assert Path(found.origin).parent == ROOT / folder


def test_ruff_refuses_the_folders_names(tmp_path: Path) -> None:
    """The bans are in force, not only written down: a file that breaks each is refused for each."""
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import asyncio\nimport follow\nimport trusted\nimport tui\n\nprint(asyncio, follow, trusted, tui)\n"
    )
    command = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    told = subprocess.run(
        [*command, "--output-format", "concise", str(bad)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert told.stdout.count("TID251") == 4, told.stdout


def test_dependencies_are_locked_with_hashes() -> None:
    """Every dependency in pyproject.toml is in the lock, at a version that it allows, with a hash."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = settings["dependency-groups"]
    for wanted, lock in [
        (settings["project"]["dependencies"], "requirements.lock"),
        (groups["build"], "requirements-build.lock"),
        (groups["dev"], "requirements-dev.lock"),
    ]:
        text = (ROOT / "packaging" / lock).read_text(encoding="utf-8").replace("\\\n", " ")
        pins = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                pin, *hashes = line.split("--hash=sha256:")
                assert hashes, f"{lock}: {pin} has no hash"
                requirement = Requirement(pin.strip())
                pins[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
        for text_of_requirement in wanted:
            requirement = Requirement(text_of_requirement)
            locked = pins.get(canonicalize_name(requirement.name))
            assert locked is not None, f"run `make lock`: {requirement.name} is not in {lock}"
            assert requirement.specifier.contains(locked), f"run `make lock`: {lock} has {requirement.name} {locked}"


def test_lock_overrides_what_needs_a_compiler() -> None:
    override = (ROOT / "packaging" / "overrides.txt").read_text(encoding="utf-8").splitlines()[-1]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"\n{override} \\" in (ROOT / "packaging" / "requirements.lock").read_text(encoding="utf-8")
    assert settings["tool"]["uv"]["override-dependencies"] == [override]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_handler_of_everything_says_which_failure_it_expects(module: Module) -> None:
    """The comment stands on the line of the handler or directly above it (style: lifetimes)."""
    source = module.path.read_text(encoding="utf-8")
    lacking = [line for line in broad_handlers(ast.parse(source)) if line not in explained(source)]
    assert not lacking, f"{module.path.relative_to(ROOT)}: no reason beside the broad handlers in lines {lacking}"


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_cancelled_and_interrupts_are_never_swallowed(module: Module) -> None:
    """Who catches BaseException raises at the end, whatever happens before; nobody suppresses it."""
    swallowing = list(swallowed(ast.parse(module.path.read_text(encoding="utf-8"))))
    assert not swallowing, f"{module.path.relative_to(ROOT)}: lines {swallowing}"


def test_the_search_for_broad_handlers_finds_them() -> None:
    source = """
try: ...
except: ...
try: ...
except (OSError, builtins.Exception): ...
try: ...
# A reason, in full.
except Exception: ...
try: ...
except* BaseException:  # a reason
    log()
    raise
try: ...
except OSError: ...  # this is not about the next line
with suppress(Exception), contextlib.suppress(BaseException): ...
"""
    tree = ast.parse(source)
    assert list(broad_handlers(tree)) == [3, 5, 8, 10, 15, 15]
    assert explained(source) == {7, 8, 10, 14}
    assert list(swallowed(tree)) == [3, 15]


def explained(source: str) -> set[int]:
    """The lines with a comment on them or directly above, other than a word to a tool."""
    found = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(("# noqa", "# type:", "# pragma")):
            stands_alone = not token.line[: token.start[1]].strip()
            found |= {token.start[0], token.start[0] + 1} if stands_alone else {token.start[0]}
    return found


def broad_handlers(tree: ast.AST) -> Iterator[int]:
    """The lines of handlers and suppressions that take more than named failures."""
    for node, kinds in _handlers(tree):
        if not kinds or BROAD & kinds:
            yield node.lineno


def swallowed(tree: ast.AST) -> Iterator[int]:
    """The lines of those that could keep trio.Cancelled, KeyboardInterrupt or SystemExit to themselves."""
    for node, kinds in _handlers(tree):
        raises = isinstance(node, ast.ExceptHandler) and isinstance(node.body[-1], ast.Raise)
        if (not kinds or BROADEST & kinds) and not raises:
            yield node.lineno


def _handlers(tree: ast.AST) -> Iterator[tuple[ast.ExceptHandler | ast.Call, set[str]]]:
    """Each handler and suppression with the names that it catches; a bare ``except`` has none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            yield node, _names([node.type] if node.type is not None else [])
        elif isinstance(node, ast.Call) and _names([node.func]) == {"suppress"}:
            yield node, _names(node.args)


def _names(nodes: list[ast.expr]) -> set[str]:
    names = set()
    for node in nodes:
        if isinstance(node, ast.Tuple):
            names |= _names(node.elts)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Name):
            names.add(node.id)
    return names
