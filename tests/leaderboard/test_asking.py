from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench.errors import UsageError
from vgbench.leaderboard.asking import Answer, Question, ask
from vgbench.leaderboard.filters import Filter
from vgbench.leaderboard.submission import Entry

MakeEntry = Callable[..., Entry]
Submit = Callable[..., Path]


@pytest.fixture
def three(submit: Submit, make_entry: MakeEntry) -> None:
    submit("low", make_entry(hits={1: 2, 5: 7, 10: 8, 20: 9}, conditions=None), backbone="VGG-16")
    submit("top", make_entry(hits={1: 9, 5: 9, 10: 9, 20: 9}, conditions=None))
    submit("mid", make_entry(), backbone="ResNet-18")
    submit("mid", make_entry(split="val", dimension=64))


def _slugs(answer: Answer) -> list[list[tuple[int | None, str]]]:
    return [
        [(place.rank, place.row["slug"]) for place in ranking.places] for ranking in answer.rankings
    ]


def test_without_conditions_every_current_row_is_ranked(three: None, board: Path) -> None:
    answer = ask(board, Question())
    assert _slugs(answer) == [[(1, "top"), (2, "mid"), (3, "low")], [(1, "mid-r2")]]
    assert answer.none is None
    assert answer.notes == []


def test_ranks_stay_those_among_all(three: None, board: Path) -> None:
    found = ask(board, Question(filter=Filter(backbone="resnet")))
    assert _slugs(found) == [[(2, "mid")]]
    assert _slugs(ask(board, Question(filter=Filter(backbone="net"), sort="name"))) == [
        [(2, "mid")]
    ]


def test_when_no_row_is_what_was_asked_for_that_is_said(three: None, board: Path) -> None:
    answer = ask(board, Question(filter=Filter(max_dimension=2)))
    assert answer.rankings == []
    assert answer.none == "None of the 4 rows is what was asked for."


def test_an_empty_board_has_nothing_to_say_of_filters(board: Path) -> None:
    (board / "submissions").mkdir(parents=True)
    answer = ask(board, Question(filter=Filter(max_dimension=2), by_condition=True))
    assert answer == Answer([], [], {}, None)


def test_where_there_is_no_board_the_folder_is_named(tmp_path: Path) -> None:
    assert ask(tmp_path / "bord", Question()).notes == [
        f"There is no submissions folder in {tmp_path / 'bord'}."
    ]


def test_a_limit_counts_what_it_leaves_out(three: None, board: Path) -> None:
    answer = ask(board, Question(limit=2))
    assert [len(ranking.places) for ranking in answer.rankings] == [2, 1]
    assert [ranking.more for ranking in answer.rankings] == [1, 0]


def test_rankings_without_conditions_are_named_when_asked_by_condition(
    three: None, board: Path, submit: Submit, make_entry: MakeEntry
) -> None:
    submit("plain", make_entry(split="train", conditions=None))
    answer = ask(board, Question(by_condition=True))
    assert [ranking.title for ranking in answer.rankings] == ["demo-city/test", "demo-city/val"]
    assert answer.notes == ["Not known by condition: demo-city/train."]
    alone = ask(board, Question("demo-city/train", by_condition=True))
    assert alone.rankings == []
    assert "No conditions are known" in (alone.none or "")


def test_withdrawn_rows_and_earlier_revisions_are_shown_on_request(
    three: None, board: Path, submit: Submit, make_entry: MakeEntry
) -> None:
    submit("mid", make_entry())
    (board / "submissions" / "low" / "withdrawn.txt").write_text("a bug")
    assert _slugs(ask(board, Question("demo-city/test"))) == [[(1, "top"), (2, "mid-r3")]]
    everything = ask(board, Question("demo-city/test", everything=True))
    assert _slugs(everything) == [[(1, "top"), (None, "mid"), (2, "mid-r3"), (None, "low")]]


def test_an_unknown_dataset_or_order_is_refused(three: None, board: Path) -> None:
    with pytest.raises(UsageError, match="demo-city/test"):
        ask(board, Question("nowhere"))
    with pytest.raises(UsageError, match="R@1"):
        ask(board, Question(sort="beauty"))
