"""The page that lists a folder. Every name in it is a stranger's."""

from __future__ import annotations

import html
import urllib.parse
from collections.abc import Sequence

from pincrew.node.answering import printable
from pincrew.node.reading import Listed

# Part of the page's ETag: another look is another page.
VERSION = 1
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.1rem;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}
td{border-top:1px solid #ddd;padding:.3rem .5rem;overflow-wrap:anywhere}td+td{text-align:right;white-space:nowrap}
a{color:#0550ae;text-decoration:none}a:hover{text-decoration:underline}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}td{border-color:#333}a{color:#79b8ff}}
"""


def page_start(path: str) -> str:
    """Return what comes before the entries; ``path`` is the folder's, as in the address."""
    title = html.escape(printable(path.rstrip("/")))
    above = "" if path.strip("/").count("/") < 2 else '<tr><td><a href="../">..</a></td><td></td></tr>\n'
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n<table>\n{above}"
    )


def page_rows(entries: Sequence[Listed]) -> str:
    """Return the rows of some entries; sizes are of all that is below them, as the folder states them."""
    return "".join([_row(each) for each in entries])


def page_end() -> str:
    """Return what comes behind the entries."""
    return "</table></body></html>\n"


def _row(entry: Listed) -> str:
    # `./` in front: a name with a colon would pass for an address of its own.
    link = "./" + urllib.parse.quote(entry.name.encode("utf-8", "surrogateescape"), safe="")
    name, size = html.escape(printable(entry.name)), _size_text(entry.total_bytes)
    return f'<tr><td><a href="{html.escape(link)}">{name}</a></td><td>{size}</td></tr>\n'


def _size_text(size: int) -> str:
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1_000 or unit == "TB":
            break
        amount /= 1_000
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
