"""Imports run one way, libraries stay behind their one module, and every module has its place in layers.py."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from arch.layers import (
    DAEMON_IN_FUNCTIONS,
    DOORS_SEE,
    GIVEN_LATE,
    LAYERS,
    NODE_IN_FUNCTIONS,
    NOT_IMPORTED,
    ONLY_IN,
    PURE_MAY,
    PURE_NEVER,
    REFUSED,
    REFUSED_NAMES,
)
from support.source_tree import ROOT, Import, Module, imports, listed_packages, modules, within

MODULES = modules()
KNOWN = frozenset(module.name for module in MODULES)
ORDER = list(LAYERS)
EVERY_MODULE = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


def place_of(name: str) -> str | None:
    """Return the layer of ``name``: that of the longest listed name that covers it ("pincrew" covers only itself)."""
    best: tuple[int, str] | None = None
    for layer, members in LAYERS.items():
        for member in members:
            covers = name == member or (member != "pincrew" and within(name, member))
            if covers and (best is None or len(member) > best[0]):
                best = (len(member), layer)
    return best[1] if best else None


def door_of(name: str) -> str | None:
    return next((door for door in DOORS_SEE if within(name, door)), None)


def seen(name: str, allowed: Iterable[str]) -> bool:
    return any(name == member if member == "pincrew" else within(name, member) for member in allowed)


def faults(module: Module, found: Iterable[Import]) -> list[str]:
    """Return every import of ``module`` that layers.py refuses, each with its line and the reason."""
    wrong = []
    own = place_of(module.name)
    for target in found:
        at = f"{module.path.relative_to(ROOT)}:{target.line}: {target.name}"
        wrong += [
            f"{at} is imported only by {', '.join(importers)}"
            for library, importers in ONLY_IN.items()
            if within(target.name, library) and not seen(module.name, importers)
        ]
        banned = any(within(target.name, name) for name in PURE_NEVER) and target.symbol not in PURE_MAY
        if own in ("values", "pure") and banned:
            wrong.append(f"{at}: modules of the layer {own} do no I/O and know no clock")
        if not within(target.name, "pincrew"):
            continue
        wrong += [
            f"{at}: {reason}"
            for importer, refused, reason in REFUSED
            if within(module.name, importer) and within(target.name, refused)
        ]
        layer = place_of(target.name)
        is_late = GIVEN_LATE.get(module.name) == target.name
        if own and layer and ORDER.index(layer) > ORDER.index(own) and not is_late:
            wrong.append(f"{at} is of the layer {layer}, above {own}")
        door = door_of(module.name)
        if door and not within(target.name, door) and not seen(target.name, DOORS_SEE[door]):
            late = target.inside and door in DAEMON_IN_FUNCTIONS and place_of(target.name) == "daemon"
            late = late or (target.inside and seen_by_node_run(module.name, target.name))
            if not late:
                wrong.append(f"{at}: {door} does not see it")
    return wrong


def seen_by_node_run(module: str, target: str) -> bool:
    who, what = NODE_IN_FUNCTIONS
    return module == who and within(target, what)


@EVERY_MODULE
def test_module_has_its_place(module: Module) -> None:
    assert place_of(module.name), f"say in tests/arch/layers.py where {module.name} belongs"


@EVERY_MODULE
def test_imports_run_one_way(module: Module) -> None:
    assert faults(module, imports(module, KNOWN)) == []


@EVERY_MODULE
def test_name_says_what_is_inside(module: Module) -> None:
    assert module.name.rpartition(".")[2].strip("_") not in REFUSED_NAMES


@EVERY_MODULE
def test_module_is_in_a_listed_package(module: Module) -> None:
    """An unlisted package works in the editable install and is missing from the wheel."""
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    assert package in listed_packages(), f"add {package} to [tool.setuptools] packages"


def test_dependencies_are_what_is_imported() -> None:
    """pyproject.toml names every distribution that is imported, not only what comes along with another, and no more."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = {canonicalize_name(Requirement(text).name) for text in settings["project"]["dependencies"]}
    homes = packages_distributions()
    imported = set()
    for module in MODULES:
        for found in imports(module, KNOWN):
            top = found.name.partition(".")[0]
            if top != "pincrew" and top not in sys.stdlib_module_names:
                homes_of_top = {canonicalize_name(home) for home in homes[top]}
                assert homes_of_top & listed, f"{module.path.relative_to(ROOT)}:{found.line}: add {top} to dependencies"
                imported |= homes_of_top
    assert sorted(listed - imported - NOT_IMPORTED.keys()) == [], "nobody imports these"


def test_listed_packages_exist() -> None:
    assert set(listed_packages()) <= KNOWN


@pytest.mark.parametrize(
    ("name", "target", "says"),
    [
        ("pincrew.gate", Import("pincrew.store", 1, False), "above pure"),
        ("pincrew.gate", Import("time", 1, False), "no I/O"),
        ("pincrew.gate", Import("pycrdt", 1, False), "imported only by pincrew.pinset"),
        ("pincrew.store", Import("libp2p.host", 1, True), "imported only by pincrew.network"),
        ("pincrew.follow.join", Import("pincrew.trusted.writer", 1, False), "without a writer"),
        ("pincrew.trusted.writer", Import("pincrew.follow", 1, True), "nothing of joining"),
        ("pincrew.peer", Import("pincrew.daemon", 1, False), "above peer"),
        ("pincrew.cli.status", Import("pincrew.daemon", 1, False), "does not see it"),
        ("pincrew.cli.status", Import("pincrew.peer", 1, True), "does not see it"),
        ("pincrew.tui.app", Import("pincrew.store", 1, False), "does not see it"),
    ],
)
def test_the_check_finds(name: str, target: Import, says: str) -> None:
    """The check itself is checked: each kind of fault is found."""
    found = faults(Module(name, ROOT / "pyproject.toml"), [target])
    assert any(says in fault for fault in found), found


def test_the_check_allows_what_is_right() -> None:
    module = Module("pincrew.cli.daemon", ROOT / "pyproject.toml")
    assert faults(module, [Import("pincrew.daemon", 1, True), Import("pincrew.api.client", 1, False)]) == []
    assert place_of("pincrew.unheard_of") is None
    assert faults(Module("pincrew", ROOT / "pyproject.toml"), [Import("pincrew.embedding", 1, True)]) == []
