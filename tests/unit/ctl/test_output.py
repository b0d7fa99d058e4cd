"""Text and JSON as ipfs-cluster-ctl prints them."""

from __future__ import annotations

import io

from pincrew.ctl.faults import no_answer
from pincrew.ctl.output import Output, pretty


def test_json_as_go_writes_it() -> None:
    value = {"b": [], "a": {}, "c": [1, None, True], "d": "<é & \u2028>\x01\x9b", "e": {"f": 0.5}}
    assert pretty(value) == (
        '{\n    "b": [],\n    "a": {},\n    "c": [\n        1,\n        null,\n        true\n    ],\n'
        '    "d": "\\u003cé \\u0026 \\u2028\\u003e\\u0001\\u009b",\n    "e": {\n        "f": 0.5\n    }\n}'
    )


def test_one_or_the_other() -> None:
    for is_json, expected in ((True, '{\n    "a": 1\n}\n'), (False, "one\ntwo\n")):
        out = io.StringIO()
        Output(out, is_json=is_json).answer({"a": 1}, ["one", "two"])
        assert out.getvalue() == expected


def test_refusals() -> None:
    for is_json, expected in (
        (True, '{\n    "code": 0,\n    "message": "gone"\n}\n'),
        (False, "An error occurred:\n  Code: 0\n  Message: gone\n"),
    ):
        out = io.StringIO()
        Output(out, is_json=is_json).refusal(no_answer("gone"))
        assert out.getvalue() == expected


def test_a_stream_that_knows_few_characters() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    Output(out, is_json=False).lines(["Exp: ∞"])
    assert raw.getvalue() == b"Exp: \\u221e\n"
