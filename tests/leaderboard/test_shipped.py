"""The board in the repository is what its submissions give: nobody forgot to build it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from vgbench.leaderboard.site.writing import _verified, render_markdown, render_site
from vgbench.leaderboard.table import _derive, read_board

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "submissions").is_dir(), reason="not a checkout of the repository"
)


def test_the_table_is_up_to_date() -> None:
    shipped = read_board(ROOT, heal=False)
    assert not shipped.rebuilt, "run: vgbench leaderboard build"
    assert shipped.rows == _derive(ROOT, None).rows
    assert not shipped.left_out


def test_page_and_markdown_are_up_to_date() -> None:
    rows = read_board(ROOT, heal=False).rows
    folder = ROOT / "leaderboard"
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert page == render_site(rows, _verified(folder)), "run: vgbench leaderboard site"
    markdown = (folder / "README.md").read_text(encoding="utf-8")
    assert markdown == render_markdown(rows), "run: vgbench leaderboard site"


def test_it_holds_the_reference_its_variants_the_baselines_and_published_numbers() -> None:
    rows = read_board(ROOT, heal=False).rows
    status = {row["slug"]: row["status"] for row in rows}
    assert status["study-reference"] == "reproduced"
    assert status["study-reference-avg-pooling"] == "verified"
    assert {"untrained", "thumbnail", "rgb-histogram", "hsv-histogram", "hog-grid"} <= set(status)
    published = [row for row in rows if row["status"] == "published"]
    assert {row["dataset"] for row in published} >= {"sf-xs", "tokyo-xs"}
    assert not any(row["rank_low"] for row in published)


def test_the_reference_is_well_above_what_is_not_trained() -> None:
    recall = {row["slug"]: row["recall_1"] for row in read_board(ROOT, heal=False).rows}
    for other in ("untrained", "thumbnail", "rgb-histogram", "hsv-histogram", "hog-grid"):
        assert recall["study-reference"] >= recall[other] + 20


def test_the_two_impossible_numbers_of_the_study_are_flagged() -> None:
    remarks = [
        (row["recall_1"], row["remark"])
        for row in read_board(ROOT, heal=False).rows
        if row["remark"]
    ]
    assert {28.32, 26.18} <= {recall for recall, _ in remarks}
