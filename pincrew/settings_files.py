"""Settings in files and in the environment: read, changed and written.

An unknown key is an error that names the nearest known one. Files are changed through tomlkit, so that what a user
wrote around a value survives.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import tomlkit
import tomlkit.exceptions

from pincrew.errors import Misuse, NewerStore, NotFound, StoreFault
from pincrew.files import read_file, write_file
from pincrew.paths import ClusterPaths, Home
from pincrew.setting_values import from_text, from_toml, size_text, to_toml
from pincrew.settings import FORMAT_VERSION, ClusterSettings, Limit, NodeSettings, Settings, Tree

_BYTES_MAX = 1024 * 1024
CLUSTER_VARIABLE = "PINCREW_CLUSTER_"
# What commands change while a cluster runs, and what says which cluster it is: in its file alone.
_IN_FILE_ALONE = frozenset(
    {"cluster_id", "role", "source", "ipfs", "ipfs_before", "obey", "limit", "keep_free", "part", "paused", "format"}
)


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """Return the settings for all clusters. Raises Misuse with the file or variable that is wrong."""
    values = _read(path, Settings) if path.exists() else {}
    for name, kind in get_type_hints(Settings).items():
        variable = f"PINCREW_{name.upper()}"
        if environment.get(variable):
            values[name] = from_text(environment[variable], kind, variable)
    return Settings(**values)


def load_cluster(path: Path) -> ClusterSettings:
    """Return the settings of a cluster. Raises NotFound when it is not joined, Misuse when they are wrong."""
    values = _read(path, ClusterSettings)
    if "cluster_id" not in values:
        raise StoreFault("The settings of the cluster name no cluster", where=str(path), next_step="Restore them")
    return ClusterSettings(**values)


def cluster_in_force(path: Path, environment: Mapping[str, str]) -> ClusterSettings:
    """Return the settings with which a cluster runs: the environment decides over its file. Never to be saved.

    Raises as ``load_cluster``, and Misuse for a variable that is none.
    """
    kept, kinds = load_cluster(path), get_type_hints(ClusterSettings)
    values: dict[str, Any] = {}
    known = cluster_environment_names()
    for variable, text in sorted(environment.items()):
        if variable.startswith(CLUSTER_VARIABLE) and text:
            if variable not in known:
                nearest = difflib.get_close_matches(variable, known, 1, 0.0)
                raise Misuse(f"There is no setting {variable!r}", next_step=f"Did you mean `{nearest[0]}`?")
            name = variable.removeprefix(CLUSTER_VARIABLE).lower()
            values[name] = from_text(text, kinds[name], variable)
    return replace(kept, **values)


def load_node(path: Path) -> NodeSettings:
    """Return the settings of the embedded node; the defaults where there is no file. Raises Misuse."""
    return NodeSettings(**(_read(path, NodeSettings) if path.exists() else {}))


def with_texts(settings: NodeSettings, texts: Mapping[str, str]) -> NodeSettings:
    """Return settings with other values, each written as a person writes it. Raises Misuse."""
    kinds = get_type_hints(NodeSettings)
    return replace(settings, **{name: from_text(text, kinds[name], name) for name, text in texts.items()})


def save(path: Path, tree: Tree) -> None:
    """Write what differs from the defaults, and what the file sets already; comments in the file stay."""
    try:
        document = tomlkit.parse(read_file(path, _BYTES_MAX).decode())
    except NotFound:
        document = tomlkit.document()
    except (tomlkit.exceptions.TOMLKitError, UnicodeDecodeError) as error:
        raise Misuse(f"The settings are not TOML: {error}", where=str(path)) from error
    for each in fields(tree):
        value = getattr(tree, each.name)
        if each.name in ("format", "role") or each.name in document or value != each.default:
            plain = size_text(value) if get_type_hints(type(tree))[each.name] == Limit else to_toml(value)
            if document.get(each.name) != plain:
                document[each.name] = plain
    write_file(path, tomlkit.dumps(document).encode())


def environment_names() -> tuple[str, ...]:
    """Return the environment variable of every setting for all clusters."""
    return tuple(f"PINCREW_{name.upper()}" for name in asdict(Settings()))


def cluster_environment_names() -> tuple[str, ...]:
    """Return the environment variable of every setting of a cluster that has one."""
    names = (each.name for each in fields(ClusterSettings) if each.name not in _IN_FILE_ALONE)
    return tuple(f"{CLUSTER_VARIABLE}{name.upper()}" for name in names)


def names_any(path: Path, names: Sequence[str]) -> bool:
    """Say whether a settings file says anything of these settings, be it the default. Raises Misuse."""
    return path.exists() and not _read(path, Settings).keys().isdisjoint(names)


def find_cluster(home: Home, cluster_id: bytes) -> ClusterPaths | None:
    """Return the folder of a cluster that is joined or curated here. Damaged neighbours are no reason to fail."""
    for paths in home.joined():
        try:
            if load_cluster(paths.settings).cluster_id == cluster_id.hex():
                return paths
        except (Misuse, StoreFault):
            continue
    return None


def _read(path: Path, tree: type[Tree]) -> dict[str, Any]:
    try:
        table = tomllib.loads(read_file(path, _BYTES_MAX).decode())
    except (ValueError, RecursionError) as error:
        raise Misuse(f"The settings are not TOML: {error}", where=str(path), next_step="Correct the file") from error
    version = table.get("format", FORMAT_VERSION)
    if type(version) is int and version > FORMAT_VERSION:
        raise NewerStore(
            f"The settings have format {version}; this pincrew reads up to {FORMAT_VERSION}",
            where=str(path),
            next_step="Upgrade pincrew",
        )
    kinds = get_type_hints(tree)
    for name in table:
        if name not in kinds:
            nearest = difflib.get_close_matches(name, kinds, 1, 0.0)
            raise Misuse(f"There is no setting {name!r}", where=str(path), next_step=f"Did you mean `{nearest[0]}`?")
    return {name: from_toml(value, kinds[name], f"{path}: {name}") for name, value in table.items()}
