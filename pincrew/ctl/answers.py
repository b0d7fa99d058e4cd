"""What a peer answered, as the shapes of its API. Whoever answers may leave out what has no value. Pure."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import msgspec

from pincrew.ctl.faults import Stopped

Shape = TypeVar("Shape", bound=msgspec.Struct)
# Of Go's: null for a list or a map without entries, fields without a value left out.
_ZEROS: tuple[tuple[type[msgspec.inspect.Type], Any], ...] = (
    (msgspec.inspect.StrType, ""),
    (msgspec.inspect.BoolType, False),
    (msgspec.inspect.IntType, 0),
    (msgspec.inspect.FloatType, 0.0),
    (msgspec.inspect.ListType, []),
    (msgspec.inspect.DictType, {}),
)


def shaped(shape: type[Shape], value: Any) -> Shape:
    """Return ``value`` as a shape; what is missing or null has the value that means nothing. Raises Stopped."""
    kind = _described(shape)
    try:
        return msgspec.convert(_filled(kind, value), shape)
    except msgspec.ValidationError as error:
        raise Stopped("reading the answer", f"it is not what ipfs-cluster's API says: {error}") from error


@functools.cache
def _described(shape: type[msgspec.Struct]) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(shape)


def _filled(kind: msgspec.inspect.Type, value: Any) -> Any:
    """Return ``value`` with what is missing in it; what is of a wrong type stays, to be refused."""
    if isinstance(kind, msgspec.inspect.UnionType):
        return value  # one of them is null
    if isinstance(kind, msgspec.inspect.StructType) and isinstance(value, dict | None):
        given = value or {}
        return {field.encode_name: _filled(field.type, given.get(field.encode_name)) for field in kind.fields}
    if isinstance(kind, msgspec.inspect.DictType) and isinstance(value, dict):
        return {key: _filled(kind.value_type, inner) for key, inner in value.items()}
    if isinstance(kind, msgspec.inspect.ListType) and isinstance(value, list):
        return [_filled(kind.item_type, inner) for inner in value]
    return next((zero for kinds, zero in _ZEROS if isinstance(kind, kinds)), None) if value is None else value
