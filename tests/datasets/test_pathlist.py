from __future__ import annotations

import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgbench.datasets import pathlist
from vgbench.datasets.pathlist import PathList

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=20)


@given(TEXTS, st.slices(20), st.text("aä/", max_size=4))
def test_it_is_the_list_that_it_was_made_of(texts: list[str], part: slice, prefix: str) -> None:
    paths = PathList.of(texts)
    assert list(paths) == texts and paths == texts and len(paths) == len(texts)
    assert [paths[i] for i in range(-len(texts), len(texts))] == texts + texts
    assert paths[part] == texts[part]
    assert list(reversed(paths)) == texts[::-1]
    assert pickle.loads(pickle.dumps(paths)) == texts
    longer = PathList.of([prefix + text for text in texts])
    assert longer.without_prefix(len(prefix.encode())) == texts
    offsets, data = paths.arrow_buffers(prefix)
    again = [data[a:b].decode() for a, b in itertools.pairwise(offsets)]
    assert again == list(longer)


@given(TEXTS)
def test_it_compares_like_a_list(texts: list[str]) -> None:
    paths = PathList.of(texts)
    assert paths != [*texts, "more"]
    assert paths == tuple(texts) and paths == PathList.of(texts)
    assert (paths == "text") is False
    if texts:
        assert paths != [*texts[:-1], texts[-1] + "x"]
        assert texts[0] in paths


def test_iterating_crosses_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pathlist, "_BATCH", 3)
    texts = [f"database/{index}{'é' * (index % 4 == 1)}.jpg" for index in range(10)]
    assert list(PathList.of(texts)) == texts
    assert list(PathList.of(texts)[::-2]) == texts[::-2]


def test_an_index_out_of_range_is_an_error() -> None:
    with pytest.raises(IndexError):
        PathList.of(["a"])[1]
    with pytest.raises(UnicodeEncodeError):
        PathList.of(["\udcff"])


def test_it_shows_only_its_first_paths() -> None:
    assert repr(PathList.of(["a", "b"])) == "['a', 'b']"
    assert repr(PathList.of(["a"] * 5000)) == "['a', 'a', 'a', …5,000 paths]"
