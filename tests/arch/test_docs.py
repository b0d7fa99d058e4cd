"""Pages are found from the index, and what a page links to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.source_tree import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_index_names_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "index.md"]
    assert [name for name in pages if f"({name})" not in index] == []


def test_decisions_are_listed() -> None:
    listed = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    decisions = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [path.name for path in decisions if f"({path.name})" not in listed] == []
    numbers = [path.name[:4] for path in decisions]
    assert len(set(numbers)) == len(numbers), "two decisions of one number"


def test_every_release_has_the_same_headings() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for release in changelog.split("\n## ")[1:]:
        headings = re.findall(r"^### (.+)$", release, re.M)
        assert headings == ["Features", "Breaking", "Settings", "API", "On-disk format", "Fixes"]
