"""Which cluster is meant."""

from __future__ import annotations

import pytest

from pincrew.cli import selection
from pincrew.errors import Misuse, NotAllowed, NotFound
from pincrew.paths import Home
from support.shell import Shell


def test_none_one_and_several(shell: Shell, home: Home) -> None:
    with pytest.raises(NotFound, match="pincrew follow SOURCE"):
        selection.cluster(home, None)
    shell.followed("books")
    assert selection.cluster(home, None).name == "books"
    shell.curated("films")
    with pytest.raises(Misuse, match="books, films") as caught:
        selection.cluster(home, None)
    assert caught.value.exit_code == 2
    assert selection.cluster(home, "films").name == "films"


def test_a_wrong_name_proposes_the_nearest(shell: Shell, home: Home) -> None:
    shell.followed("books")
    with pytest.raises(NotFound, match="-c books"):
        selection.cluster(home, "boks")
    with pytest.raises(NotFound):
        selection.cluster(home, "../books")


def test_writing_takes_the_only_curated_one(shell: Shell, home: Home) -> None:
    shell.followed("books")
    with pytest.raises(NotAllowed) as caught:
        selection.curated(home, None)
    assert caught.value.exit_code == 8
    shell.curated("films")
    assert selection.curated(home, None).name == "films"
    with pytest.raises(NotAllowed):
        selection.curated(home, "books")
    shell.curated("music")
    with pytest.raises(Misuse, match="films, music"):
        selection.curated(home, None)


def test_a_source_belongs_to_what_is_followed(shell: Shell, home: Home) -> None:
    shell.curated("films")
    shell.followed("books")
    assert selection.followed(home, None).name == "books"


def test_a_broken_folder_hides_no_other(shell: Shell, home: Home) -> None:
    shell.curated("films")
    shell.followed("books").settings.write_text("nonsense = [")
    assert selection.curated(home, None).name == "films"
