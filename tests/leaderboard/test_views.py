from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from vgbench.leaderboard.columns import COLUMNS, Row
from vgbench.leaderboard.ranking import limited, rank_rows
from vgbench.leaderboard.stored import LeftOut
from vgbench.leaderboard.table import read_board
from vgbench.leaderboard.text import display_width
from vgbench.leaderboard.views import plain_text, show, table_lines
from vgbench.leaderboard.wording import EMPTY, left_out_notes
from vgbench.retrieval.statistics import wilson_interval

Submit = Callable[..., Path]


def make_row(name: str, hits: tuple[int, ...], **changes: Any) -> Row:
    row: Row = {column.name: None for column in COLUMNS}
    row |= {
        "slug": name.lower(), "name": name, "revision": 1, "status": "verified",
        "dataset": "demo-city", "split": "test", "ground_truth": "a" * 64, "content": "b" * 64,
        "protocol": 1, "threshold": 25.0, "queries": 240, "database": 600,
        "queries_without_positives": 0, "distance": "l2", "dimension": 512,
        "image_size": "native 320x240", "submitted": datetime(2026, 1, 1, tzinfo=timezone.utc),
    }  # fmt: skip
    for n, count in zip((1, 5, 10, 20), hits, strict=True):
        low, high = wilson_interval(count, 240)
        row |= {f"hits_{n}": count, f"recall_{n}": count / 2.4}
        row |= {f"low_{n}": 100 * low, f"high_{n}": 100 * high}
    return row | changes


def _rows() -> list[Row]:
    return [
        make_row("reference", (152, 189, 204, 217), status="reproduced", dimension=512),
        make_row("CosPlace", (171, 201, 211, 222), image_size="512x512", dimension=2048),
        make_row("CosPlace", (171, 201, 211, 222), revision=2, slug="cosplace-r2",
                 image_size="512x512", distance="cosine"),
        make_row("A method with a name that is too long for any narrow terminal to show in full",
                 (1, 2, 3, 240), status="unverified"),
    ]  # fmt: skip


def _text(width: int | None, rows: list[Row] | None = None) -> str:
    lines = table_lines(rank_rows(_rows() if rows is None else rows), (), width)
    return "\n".join("".join(span.text for span in line) for line in lines)


def test_eighty_columns_show_every_recall_with_its_interval() -> None:
    expected = """\
demo-city/test · 240 queries · 600 database images · positives within 25 m
one query is 0.42 points · the smallest difference it can show is 6.7 points
#   name                       R@1        R@5       R@10        R@20  status
────────────────────────────────────────────────────────────────────────────────
1=  CosPlace                  71.2       83.8       87.9        92.5  verified
    2048-d · 512x512     65.2–76.6  78.6–87.9  83.2–91.5   88.5–95.2
1=  CosPlace (r2)             71.2       83.8       87.9        92.5  verified
    512-d · cosine       65.2–76.6  78.6–87.9  83.2–91.5   88.5–95.2
    512x512
3   reference                 63.3       78.8       85.0        90.4  reproduced
    512-d · 320x240      57.1–69.2  73.1–83.5  79.9–89.0   86.0–93.5
4   A method with a            0.4        0.8        1.2       100.0  unverified
    name that is too l…    0.1–2.3    0.2–3.0    0.4–3.6  98.4–100.0
    512-d · 320x240

The smallest difference is that of one pair which a fifth of the queries tell
apart; where fewer do, smaller ones show.
Recalls in percent, with 95 % Wilson intervals. reproduced: the weights are here
and a run of them gave these predictions; verified: recomputed from the stored
predictions against the pinned ground truth; unverified: recomputed, but nobody
has pinned this dataset's ground truth.
Positions of the queries are public, so predictions prove the arithmetic, not
that a method made them without looking."""
    assert _text(80) == expected


@pytest.mark.parametrize("width", [20, 30, 40, 50, 60, 72, 80, 100, 120, 132, 150, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = _text(width).splitlines()
    assert max(map(display_width, lines)) <= max(width, 28)
    assert not [line for line in lines if line != line.rstrip()]
    assert sum("R@1" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("width", "shown"),
    [(80, "1 5 10 20"), (72, "1 5 20"), (60, "1 5"), (30, "1"), (160, "1 5 10 20")],
)
def test_columns_are_left_out_in_order_on_narrow_terminals(width: int, shown: str) -> None:
    (heading,) = [line for line in _text(width).splitlines() if line.startswith("#")]
    printed = heading.partition("status")[0]  # a drawing with a heading of its own may follow
    assert re.findall(r"R@(\d+)", printed) == shown.split()


def test_a_long_name_goes_on_in_a_second_line_after_a_hyphen() -> None:
    name = "study-reference-avg-pooling-with-the-weights"
    rows = [make_row(name, (1, 2, 3, 4)), make_row("b-" + "x" * 60, (1, 2, 3, 4))]
    lines = _text(80, rows).splitlines()
    (first,) = [index for index, line in enumerate(lines) if "study-reference-" in line]
    begin = lines[first].split()[1]
    assert begin.endswith("-")
    assert lines[first + 1].split()[0] == name.removeprefix(begin)
    assert any(line.split()[0].startswith("xxx") and "…" in line for line in lines if line.strip())
    assert name in _text(None, rows)


def test_what_an_entry_is_stays_to_be_seen_at_any_width() -> None:
    for width in (40, 60, 80, 150):
        text = _text(width)
        for part in ("2048", "512x512", "320x240", "reproduced", "unverified", "cosine", "(r2)"):
            assert part in text, (width, part)


def test_a_pipe_gets_one_line_per_entry_with_nothing_cut_and_no_escape_codes() -> None:
    text = plain_text(rank_rows(_rows()))
    assert "\x1b" not in text
    assert "…" not in text
    lines = text.splitlines()
    (reference,) = [line for line in lines if "reference" in line]
    assert re.split(r"\s{2,}", reference) == [
        "3", "reference", "63.3 [57.1–69.2]", "78.8 [73.1–83.5]", "85.0 [79.9–89.0]",
        "90.4 [86.0–93.5]", "512", "l2", "native 320x240", "reproduced",
    ]  # fmt: skip
    starts = {line.index("[") for line in lines if "[" in line}
    assert len(starts) == 1, "columns are aligned"


def test_titles_say_how_fine_the_ranking_can_be_and_what_is_not_in_it() -> None:
    rows = [make_row("a", (1, 2, 3, 4), queries_without_positives=7)]
    rows.append(make_row("b", (1, 2, 3, 4), threshold=10.0))
    text = plain_text(rank_rows(rows))
    assert (
        "demo-city/test · 240 queries · 600 database images · positives within 25 m · "
        "one query is 0.42 points · 7 queries have no positive · "
        "the smallest difference it can show is 6.7 points\n"
    ) in text
    assert "threshold 10 m, not 25 m" in text


def test_footnotes_explain_the_statuses_that_occur_and_no_others() -> None:
    text = plain_text(rank_rows([make_row("a", (1, 2, 3, 4))]))
    assert "verified: recomputed from the stored predictions" in text
    assert "reproduced:" not in text
    assert "Positions of the queries are public" in text


def test_an_empty_board_says_how_to_begin() -> None:
    assert plain_text([]) == EMPTY + "\n"


def test_submissions_that_do_not_read_are_told_of() -> None:
    notes = left_out_notes({"x": LeftOut("", "x is not a valid submission:\n  - \x1b[2Jbad")})
    assert notes == ["Left out: x is not a valid submission: - [2Jbad"]
    assert plain_text([], notes).endswith(notes[0] + "\n")


def _standing_rows() -> list[Row]:
    return [
        make_row("A", (152, 189, 204, 217), rank_low=1, rank_high=2, tier=1),
        make_row("B", (149, 189, 204, 217), rank_low=1, rank_high=2, tier=1),
        make_row("C", (100, 189, 204, 217), rank_low=3, rank_high=3, tier=2),
    ]


def test_ranks_are_intervals_and_rules_divide_tiers() -> None:
    lines = _text(80, _standing_rows()).splitlines()
    firsts = [line.split()[0] for line in lines if re.match(r"\d\S* +[ABC] ", line)]
    assert firsts == ["1–2", "1–2", "3"]
    (rule,) = [index for index, line in enumerate(lines) if line.startswith("┄")]
    assert set(lines[rule]) == {"┄"}
    assert lines[rule + 1].startswith("3    C ")
    assert "exact McNemar tests" in " ".join(lines)


def test_tiers_are_divided_in_the_order_of_recall_at_1_alone() -> None:
    lines = table_lines(rank_rows(_standing_rows(), sort="name"), (), 80)
    assert not [line for line in lines if line and line[0].text.startswith("┄")]


def test_an_entry_without_known_outcomes_has_no_rank_among_those_that_have() -> None:
    rows = [*_standing_rows(), make_row("unknown", (120, 189, 204, 217))]
    (line,) = [line for line in _text(80, rows).splitlines() if "unknown" in line]
    assert line.startswith("–")


def test_ranks_count_by_recall_where_no_interval_is_known() -> None:
    text = _text(80)
    assert "McNemar" not in text
    assert "\n1=  CosPlace" in text


def test_wide_terminals_draw_the_intervals_on_one_scale() -> None:
    published = make_row("paper", (120, 189, 204, 217), status="published", content=None)
    for width in (110, 200):
        text = _text(width, [*_standing_rows(), published])
        assert text.count("30") >= 2, "both tables begin their scale at the lowest interval"
        drawn = [line for line in text.splitlines() if "●" in line]
        assert len(drawn) == 4
        columns = [line.index("●") for line in drawn]
        assert columns[0] > columns[1] > columns[2], "better rows lie further right"
        assert columns[0] > columns[3] > columns[2] - 8
        assert all(re.search(r"├─*●─*┤$", line) for line in drawn)
    assert "●" not in _text(80, _standing_rows())
    assert "●" not in plain_text(rank_rows(_standing_rows()))


def test_published_numbers_stand_below_are_never_ranked_and_say_where_they_were_printed() -> None:
    paper = make_row(
        "paper", (171, 201, 211, 222), status="published", content=None, source="A, table 5",
        remark="28.32 % cannot be a count of 315 queries", slug="paper",
    )  # fmt: skip
    rows = [*_standing_rows(), paper, paper | {"name": "other", "source": "B, table 1"}]
    lines = _text(80, rows).splitlines()
    (title,) = [index for index, line in enumerate(lines) if "never ranked" in line]
    assert title > max(index for index, line in enumerate(lines) if line.startswith("3"))
    below = "\n".join(lines[title:])
    assert re.search(r"^–   paper \[1\]", below, re.M)
    assert re.search(r"^–   other \[2\]", below, re.M)
    assert "\n    ! 28.32 % cannot be a count of 315 queries\n" in below
    assert "\n[1] A, table 5\n[2] B, table 1\n" in below
    piped = [line for line in plain_text(rank_rows(rows)).splitlines() if "  paper " in line]
    assert piped[0].endswith("A, table 5  28.32 % cannot be a count of 315 queries")


def test_withdrawn_and_superseded_entries_say_so_and_count_for_no_rank() -> None:
    rows = _rows()
    rows[1] |= {"withdrawn": "trained on\x1b[2J the test set"}
    rows[2] |= {"superseded_by": "cosplace-r3"}
    text = _text(80, rows)
    assert "! withdrawn: trained on[2J the test set" in text
    assert "! superseded by cosplace-r3" in text
    assert re.search(r"^1   reference", text, re.M)


def test_what_is_left_out_of_a_long_table_is_counted() -> None:
    rows = [make_row(f"net {index:03}", (index, 200, 210, 220)) for index in range(100)]
    lines = table_lines(limited(rank_rows(rows), 7), (), 80)
    texts = ["".join(span.text for span in line) for line in lines]
    assert sum("net " in text for text in texts) == 7
    assert "… and 93 more: --limit 0 shows all" in texts


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def _on_a_terminal(rows: list[Row], monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"COLUMNS": "80", "TERM": "xterm-256color"} | environment).items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    show(rank_rows(rows), file=stream)
    return stream.getvalue()


SGR = re.compile(r"\x1b\[[0-9;]*m")


def test_a_terminal_gets_the_same_text_with_styles(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _on_a_terminal(_rows(), monkeypatch)
    assert "\x1b[1m" in shown
    assert "\x1b[32mreproduced\x1b[0m" in shown
    assert SGR.sub("", shown).rstrip("\n") == _text(80).rstrip("\n")


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[32m" not in _on_a_terminal(_rows(), monkeypatch, NO_COLOR="1")


def test_a_hostile_name_is_only_text(monkeypatch: pytest.MonkeyPatch, nasty: str) -> None:
    row = make_row(
        nasty, (1, 2, 3, 4), image_size="\x1b]0;title\x07[red]", status="verified", method=nasty,
        distance="\x1b[2J", source=nasty, remark=nasty, withdrawn=nasty, superseded_by=nasty,
    )  # fmt: skip
    for width in (40, 80, 110, 300):
        shown = _on_a_terminal([row], monkeypatch, COLUMNS=str(width))
        text = SGR.sub("", shown)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
        assert SGR.findall(shown)
        assert "\x1b[31m" not in shown
    assert "<script>alert(1)</script>[/bold][31m|`x`](javascript:x) next" in text
    assert "<script>alert(1)</script>[/bold][31m|`x`]" in plain_text(rank_rows([row]))


def test_wide_characters_keep_the_columns_aligned() -> None:
    rows = [make_row("東京の方法", (5, 6, 7, 8)), make_row("plain", (4, 6, 7, 8))]
    lines = [line for line in plain_text(rank_rows(rows)).splitlines() if "[" in line]
    assert len({display_width(line[: line.index("[")]) for line in lines}) == 1


def test_a_pipe_that_knows_ascii_only_gets_ascii(submit: Submit, board: Path) -> None:
    submit("Łódź – net")
    code = """
import sys
from pathlib import Path
from vgbench.leaderboard.ranking import rank_rows
from vgbench.leaderboard.table import read_board
from vgbench.leaderboard.views import show
show(rank_rows(read_board(Path(sys.argv[1])).rows))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(board)],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert b"?\xc3" not in done.stdout
    assert "?ód? - net".replace("ó", "?").encode() in done.stdout
    assert b"[19.3-68.0]" in done.stdout


def test_the_board_as_submitted_is_shown(submit: Submit, board: Path) -> None:
    submit("net")
    submit("net")
    text = plain_text(rank_rows(read_board(board).rows))
    assert re.search(r"^–\s+net\s+41\.7 \[19\.3–68\.0\].*superseded by net-r2", text, re.M)
    assert re.search(r"^1\s+net \(r2\)\s+41\.7", text, re.M)
