from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vgbench.leaderboard.columns import Row
from vgbench.leaderboard.drawn import Scale, draw, scale_of

PERCENT = st.floats(0, 100)


def _row(low: float | None, recall: float | None, high: float | None) -> Row:
    return {"low_1": low, "recall_1": recall, "high_1": high}


@st.composite
def rows(draw: st.DrawFn) -> Row:
    low, recall, high = sorted(draw(st.tuples(PERCENT, PERCENT, PERCENT)))
    return _row(low, recall, high) if draw(st.booleans()) else _row(None, recall, None)


@given(st.lists(rows(), min_size=1, max_size=6), st.integers(12, 60))
def test_every_drawing_fills_the_scale_and_shows_its_recall_between_its_ends(
    some: list[Row], width: int
) -> None:
    scale = scale_of(some, 1, width)
    assert scale is not None
    assert 0 <= scale.low < scale.high <= 100
    assert len(scale.heading("R@1")) == width
    for row in some:
        text = draw(row, 1, scale)
        assert len(text) == width
        assert text.count("●") == 1
        assert text.index("●") == scale.column(row["recall_1"])
        assert set(text.strip()) <= set("├─●┤")
        if row["low_1"] is None:
            assert text.strip() == "●"


@given(PERCENT, PERCENT)
def test_what_is_larger_never_lies_further_left(a: float, b: float) -> None:
    scale = Scale(0, 100, 40)
    assert (scale.column(a) - scale.column(b)) * (a - b) >= 0


def test_unknown_recalls_leave_the_drawing_empty_and_no_scale() -> None:
    assert scale_of([_row(None, None, None)], 1, 20) is None
    assert draw(_row(None, None, None), 1, Scale(0, 100, 20)) == " " * 20


def test_a_scale_around_one_value_has_some_length() -> None:
    assert scale_of([_row(None, 100.0, None)], 1, 20) == (90, 100, 20)
    assert scale_of([_row(None, 0.0, None)], 1, 20) == (0, 10, 20)
    assert scale_of([_row(41.0, 42.0, 43.0)], 1, 20) == (40, 50, 20)
