"""Tables of published numbers: what is read, what is refused and where, what cannot be a count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vgbench.errors import SubmissionError
from vgbench.leaderboard.columns import COLUMNS, arrow_to_rows, rows_to_arrow
from vgbench.leaderboard.published import NEEDED, OPTIONAL, RECALLS, read_published
from vgbench.leaderboard.ranking import rank_rows
from vgbench.leaderboard.slugs import SLUG
from vgbench.leaderboard.text import clean_text
from vgbench.retrieval.statistics import wilson_interval

SHIPPED = sorted((Path(__file__).parents[2] / "submissions").glob("*.csv"))

HEADER = "name,dataset,split,recall_1,recall_5,recall_10,recall_20,dimension,link,source,note"
LINE = "CosPlace,tokyo-xs,test,73.3,83.8,87.9,91.4,2048,https://example.org/a,a paper,"

Table = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Write lines to a CSV file and give its path."""

    def write(*lines: str, name: str = "published-test.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes("\n".join([*lines, ""]).encode(encoding))
        return path

    return write


def refused(path: Path) -> str:
    with pytest.raises(SubmissionError) as caught:
        read_published(path)
    return str(caught.value)


def test_a_line_becomes_a_row_of_the_table(table: Table) -> None:
    (row,) = read_published(table("# a comment", HEADER, "", LINE))
    assert set(row) == {column.name for column in COLUMNS}
    assert row["status"] == "published"
    assert (row["name"], row["slug"]) == ("CosPlace", "published-test-cosplace")
    assert (row["recall_1"], row["recall_20"], row["dimension"]) == (73.3, 91.4, 2048)
    assert (row["source"], row["links"]) == ("a paper", ["https://example.org/a"])
    assert row["notes"] is None
    assert row["submission_digest"] is None
    again = arrow_to_rows(rows_to_arrow([row]))
    assert again == [row]


def test_published_rows_are_never_ranked(table: Table) -> None:
    (ranking,) = rank_rows(read_published(table(HEADER, LINE)))
    assert ranking.published
    assert ranking.places[0].rank is None


def test_where_a_percentage_is_that_of_one_count_its_interval_is_given(table: Table) -> None:
    (row,) = read_published(table(HEADER, LINE))
    assert (row["queries"], row["hits_1"]) == (315, 231)
    low, high = wilson_interval(231, 315)
    assert (row["low_1"], row["high_1"]) == pytest.approx((100 * low, 100 * high))
    assert row["recall_1"] == 73.3  # as printed, not 231/315


def test_where_the_number_of_queries_is_unknown_there_is_no_interval(table: Table) -> None:
    (row,) = read_published(
        table("name,dataset,split,recall_1,source", "A,gsv-xs,train,28.32,somewhere")
    )
    assert row["queries"] is None
    assert row["hits_1"] is row["low_1"] is row["high_1"] is row["remark"] is None


def test_where_several_counts_print_alike_there_is_no_interval(table: Table) -> None:
    (row,) = read_published(
        table("name,dataset,split,recall_1,source,queries", "A,sf-xs,val,53.8,somewhere,7993")
    )
    assert row["hits_1"] is row["low_1"] is None
    assert row["remark"] is None


def test_a_percentage_that_is_no_count_is_kept_and_remarked(table: Table) -> None:
    lines = ("A,tokyo-xs,test,28.32,37.78,x", "B,tokyo-xs,test,26.18,28.32,x")
    first, second = read_published(table("name,dataset,split,recall_1,recall_5,source", *lines))
    assert first["recall_1"] == 28.32
    assert first["remark"] == "28.32 % cannot be a count of 315 queries"
    assert first["hits_1"] is first["low_1"] is None
    assert first["hits_5"] == 119
    assert second["remark"] == "26.18 % and 28.32 % cannot be counts of 315 queries"


@pytest.mark.parametrize("printed", ["15.8", "46.66", "15.9", "46.67", "15.87"])
def test_rounded_and_cut_off_decimals_are_both_counts(table: Table, printed: str) -> None:
    """Of 315 queries 50 are 15.873 % and 147 are 46.667 %: both ways of printing occur."""
    (row,) = read_published(
        table("name,dataset,split,recall_1,source", f"A,tokyo-xs,test,{printed},x")
    )
    assert row["remark"] is None
    assert row["hits_1"] == (50 if printed.startswith("15") else 147)


def test_every_count_that_can_be_printed_is_found_again(table: Table) -> None:
    counts = np.random.default_rng(0).integers(0, 316, 60)
    lines = [f"m{i},tokyo-xs,test,{100 * k / 315:.2f},x" for i, k in enumerate(counts)]
    rows = read_published(table("name,dataset,split,recall_1,source", *lines))
    assert [row["hits_1"] for row in rows] == counts.tolist()


@pytest.mark.parametrize(
    ("change", "line", "column"),
    [
        (("73.3", "733"), 2, "recall_1"),
        (("73.3", "-1"), 2, "recall_1"),
        (("73.3", "nan"), 2, "recall_1"),
        (("73.3", "7e1"), 2, "recall_1"),
        (("73.3", "73,3"), 2, ""),
        (("73.3", '"73,3"'), 2, "recall_1"),
        (("73.3", "100.1"), 2, "recall_1"),
        (("83.8", "73.2"), 2, "recall_5"),
        (("CosPlace", ""), 2, "name"),
        (("CosPlace", "\x1b\u202e"), 2, "name"),
        (("CosPlace", "x" * 300), 2, "name"),
        (("tokyo-xs", "tokio-xs"), 2, "dataset"),
        (("test", "tset"), 2, "split"),
        (("2048", "0"), 2, "dimension"),
        (("2048", "2048-d"), 2, "dimension"),
        (("https://", "javascript:"), 2, "link"),
        (("https://", "ftp://"), 2, "link"),
        (("a paper", ""), 2, "source"),
        (("a paper", 'a "paper'), 2, None),
        (("a paper", '"a paper'), 2, ""),
        (("a paper", "a paper,more"), 2, ""),
        (("a paper", "x" * 20_000), 2, ""),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(
    table: Table, change: tuple[str, str], line: int, column: str | None
) -> None:
    path = table(HEADER, LINE.replace(*change))
    if column is None:  # a quotation mark within a text is one
        assert read_published(path)[0]["source"] == 'a "paper'
        return
    message = refused(path)
    assert f"line {line}{', ' + column if column else ''}:" in message
    assert "\x1b" not in message


def test_everything_that_is_wrong_is_told_at_once(table: Table) -> None:
    message = refused(
        table(HEADER, LINE.replace("73.3", "x"), LINE.replace("tokyo-xs", "y"), "short,line")
    )
    for found in ("line 2, recall_1", "line 3, dataset", "line 4: has 2 fields"):
        assert found in message


def test_a_name_stands_once_on_a_split_and_may_stand_on_several(table: Table) -> None:
    both = read_published(table(HEADER, LINE, LINE.replace("tokyo-xs", "sf-xs")))
    assert len({row["slug"] for row in both}) == 1
    message = refused(table(HEADER, LINE, LINE.replace("CosPlace", "Cosplace!")))
    assert "line 3, name: is on tokyo-xs/test already, in line 2" in message


def test_the_same_name_in_another_file_has_another_slug(table: Table) -> None:
    one = read_published(table(HEADER, LINE))
    other = read_published(table(HEADER, LINE, name="published-mine.csv"))
    assert one[0]["slug"] != other[0]["slug"]


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("name,dataset,split,recall_1", "source: is needed"),
        ("name,dataset,split,source", "no recall column"),
        ("name,dataset,split,recall_1,source,recall_2", "recall_2: is no column"),
        ("name,dataset,split,recall_1,source,name", "name: is in the header twice"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(table: Table, header: str, found: str) -> None:
    assert found in refused(table(header, LINE))


def test_columns_come_in_any_order_and_spreadsheets_marks_do_no_harm(table: Table) -> None:
    path = table("\ufeffsource,split,recall_5,dataset,name\r", "x,test,9.5,tokyo-xs,A\r")
    (row,) = read_published(path)
    assert (row["name"], row["recall_5"], row["recall_1"]) == ("A", 9.5, None)


def test_text_is_made_harmless(table: Table) -> None:
    (row,) = read_published(table(HEADER, LINE.replace("CosPlace", "<b>\x1b[31mCos\u202ePlace")))
    assert row["name"] == "<b>[31mCosPlace" == clean_text(row["name"])


@pytest.mark.parametrize("kind", ["latin-1", "empty", "comments", "missing", "folder", "link"])
def test_what_is_no_such_file_is_refused(table: Table, tmp_path: Path, kind: str) -> None:
    path = table(HEADER, LINE)
    if kind == "latin-1":
        path = table(HEADER, LINE, LINE.replace("CosPlace", "Café"), encoding="latin-1")
        assert "line 3: is not UTF-8" in refused(path)
    elif kind == "empty":
        path.write_bytes(b"")
        assert "columns' names" in refused(path)
    elif kind == "comments":
        assert "columns' names" in refused(table("# nothing"))
    elif kind == "link":
        (tmp_path / "link.csv").symlink_to(path)
        assert "not a plain file" in refused(tmp_path / "link.csv")
    else:
        other = tmp_path / "other.csv"
        if kind == "folder":
            other.mkdir()
        assert "other.csv" in refused(other)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
class TestTheShippedTables:
    """What the repository's own tables hold."""

    def test_they_read_and_say_where_each_number_is_from(self, path: Path) -> None:
        rows = read_published(path)
        assert len(rows) >= 30
        for row in rows:
            assert row["source"]
            assert SLUG.fullmatch(row["slug"])
            assert row["queries"] in (315, 1000)

    def test_every_line_of_numbers_became_a_row(self, path: Path) -> None:
        lines = [line for line in path.read_text("utf-8").splitlines() if line[:1] not in ("", "#")]
        assert len(read_published(path)) == len(lines) - 1

    def test_only_two_of_their_numbers_cannot_be_counts(self, path: Path) -> None:
        remarked = {row["remark"] for row in read_published(path) if row["remark"]}
        expected = {
            "28.32 % cannot be a count of 315 queries",
            "26.18 % cannot be a count of 315 queries",
        }
        assert remarked == (expected if path.stem == "published-study" else set())


def test_the_study_and_the_field_are_shipped() -> None:
    assert {path.stem for path in SHIPPED} >= {"published-study", "published-field"}


def test_two_stage_rows_say_so() -> None:
    (path,) = (path for path in SHIPPED if path.stem == "published-field")
    rows = [row for row in read_published(path) if "LightGlue" in row["name"]]
    assert len(rows) == 8
    assert all("wo-stage" in row["notes"] for row in rows)


def test_the_readme_explains_every_column() -> None:
    text = (Path(__file__).parents[2] / "submissions" / "README.md").read_text("utf-8")
    for column in (*NEEDED, *RECALLS, *OPTIONAL):
        assert f"`{column}`" in text, column
