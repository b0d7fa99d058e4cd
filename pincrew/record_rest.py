"""What a reader of this version leaves out of a pin's record: fields of later versions, and values of the wrong form.

They stay in the record's bytes, which travel and are kept whole (``pincrew.record``). Whoever writes a pin down in
another form asks here what that form lacks.
"""

from __future__ import annotations

import cbor2

from pincrew.values import Pin

WHOLE = "record"
_FIELD_CHARACTERS_MAX = 40


def rest_of(record: bytes, pin: Pin) -> tuple[str, ...]:
    """Return the fields of ``record`` that ``pin``, which was decoded from it, does not have as they are.

    ``record`` alone: none of it could be read. Never raises.
    """
    try:
        fields = cbor2.loads(record)
    except Exception:  # whatever a curator signed is kept, readable or not
        return (WHOLE,)
    if not isinstance(fields, dict):
        return (WHOLE,)
    understood = {
        "name": pin.name,
        "mode": pin.mode.value,
        "replication": [pin.replication_min, pin.replication_max],
        "allocations": list(pin.keepers),
        "metadata": dict(pin.metadata),
        "origins": list(pin.origins),
        "size": pin.size,
        "added": pin.added_ms,
        "expire": pin.expire_ms,
        "update": pin.update_of,
        "type": pin.type.value,
        "depth": pin.depth,
        "reference": pin.reference,
    }
    return tuple(_name(key) for key, value in fields.items() if key not in understood or understood[key] != value)


def _name(key: object) -> str:
    """Return a field's name as it can be shown: a whole number of thousands of digits has no text in Python."""
    try:
        return str(key)[:_FIELD_CHARACTERS_MAX]
    except ValueError:
        return type(key).__name__
