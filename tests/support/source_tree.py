"""The product's source as data: its modules, what each imports and where, read by ``ast`` without importing any."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Folder of the repository -> name that it is imported by.
FOLDERS = {"pincrew": "pincrew", "follow": "pincrew.follow", "trusted": "pincrew.trusted", "tui": "pincrew.tui"}


@dataclass(frozen=True)
class Import:
    """One imported module. ``inside`` is true in a function: it is only imported when that is called."""

    name: str
    line: int
    inside: bool
    symbol: str = ""  # what was taken from it, dotted in full


@dataclass(frozen=True)
class Module:
    """One source file under the name that it is imported by."""

    name: str
    path: Path

    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))


def modules() -> list[Module]:
    """Return every module of the product's folders, sorted by name."""
    found = []
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            found.append(Module(name, path))
    return sorted(found, key=lambda module: module.name)


def listed_packages() -> list[str]:
    """Return the packages that pyproject.toml lists for the wheel."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages: list[str] = settings["tool"]["setuptools"]["packages"]
    return packages


def imports(module: Module, known: frozenset[str]) -> Iterator[Import]:
    """Yield what ``module`` imports; ``from pincrew import limits`` is ``pincrew.limits`` where that is ``known``."""
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    yield from _imports(module.tree(), package, known, inside=False)


def _imports(node: ast.AST, package: str, known: frozenset[str], *, inside: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, inside)
        elif isinstance(child, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - child.level + 1] if child.level else []
            source = ".".join([*above, *([child.module] if child.module else [])])
            for alias in child.names:
                full = f"{source}.{alias.name}"
                yield Import(full if full in known else source, child.lineno, inside, full)
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, package, known, inside=inside or function)


def within(name: str, package: str) -> bool:
    """Say whether ``name`` is ``package`` or lies in it."""
    return name == package or name.startswith(package + ".")
