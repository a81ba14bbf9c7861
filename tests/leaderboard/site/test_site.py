"""The page's content, without a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgbench.leaderboard.columns import COLUMNS, RECALL_VALUES, Row
from vgbench.leaderboard.site import render_site, write_site
from vgbench.leaderboard.site.content import page_content
from vgbench.leaderboard.site.writing import FIRST_ROWS
from vgbench.leaderboard.standing import settle
from vgbench.leaderboard.submission import Card, write_submission
from vgbench.retrieval.standings import pack_outcomes
from vgbench.retrieval.statistics import wilson_interval

HOSTILE = "<script>alert(1)</script>[/bold]</script><img src=x onerror=alert(2)>"


def board_rows(entries: int, queries: int = 240, seed: int = 0, **changes: Any) -> list[Row]:
    """Rows of made-up methods of different strength, settled as the table settles them."""
    random = np.random.default_rng(seed)
    hard = random.random(queries)
    rows = []
    for number in range(entries):
        skill = random.uniform(0.2, 0.95)
        chance = np.clip(skill + random.normal(scale=0.2, size=queries), 0, 1)
        row: Row = {column.name: None for column in COLUMNS}
        row |= {
            "slug": f"method-{number}", "name": f"Method {number}", "revision": 1,
            "method": f"net {number % 7}", "status": ("verified", "reproduced")[number % 5 == 0],
            "dataset": "somewhere", "split": "test", "ground_truth": "a" * 64,
            "content": "b" * 64, "protocol": 1, "threshold": 25.0, "database": 900,
            "queries": queries, "queries_without_positives": 2, "distance": "l2",
            "dimension": int(2 ** random.integers(5, 13)), "image_size": "320x240",
            "backbone": f"ResNet-{(18, 50, 101)[number % 3]}", "training_data": "SF-XL",
            "authors": "A. Author", "links": ["https://example.org/a"],
            "submitted": datetime(2026, 1, 1 + number % 28, tzinfo=timezone.utc),
            "submission_digest": f"{number:064x}",
        }  # fmt: skip
        for n in RECALL_VALUES:
            localized = chance + np.log10(n) / 4 > hard
            low, high = wilson_interval(int(localized.sum()), queries)
            row |= {
                f"hits_{n}": int(localized.sum()),
                f"recall_{n}": 100 * float(localized.mean()),
                f"low_{n}": 100 * low,
                f"high_{n}": 100 * high,
                f"outcomes_{n}": pack_outcomes(localized),
            }
        rows.append(row | changes)
    return settle(rows, {})


class _Text(HTMLParser):
    """What a reader of the HTML sees in its table cells, and every tag that is there."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_same_rows_give_the_same_bytes() -> None:
    rows = board_rows(20)
    assert render_site(rows) == render_site(board_rows(20))


def test_the_page_asks_for_nothing_and_its_policy_allows_only_its_own_script() -> None:
    page = render_site(board_rows(5))
    for tag, attributes in _Text(page).tags:
        assert tag not in ("img", "link", "iframe", "object", "embed")
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy and policy[1].startswith("default-src 'none'")
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1]


def test_hostile_names_are_text_in_the_html_and_in_the_data() -> None:
    rows = board_rows(3, name=HOSTILE, method=HOSTILE, notes=HOSTILE, authors=HOSTILE)
    page = render_site(rows)
    parsed = _Text(page)
    assert sum(tag == "script" for tag, _ in parsed.tags) == 2  # the data and the page's own
    assert not any(tag == "img" for tag, _ in parsed.tags)
    assert any("<script>alert(1)</script>[/bold]" in text for text in parsed.text)
    assert "<script>alert" not in page


def test_only_http_links_reach_the_page() -> None:
    rows = board_rows(1, links=["javascript:alert(1)", "https://example.org/x"])
    (entry,) = page_content(rows).entries.values()
    assert entry["links"] == ["https://example.org/x"]
    assert "javascript:" not in render_site(rows)


def test_the_first_rows_of_every_board_are_in_the_html() -> None:
    page = render_site(board_rows(FIRST_ROWS + 30))
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert body.count("<tr ") == FIRST_ROWS
    best = page_content(board_rows(FIRST_ROWS + 30)).boards[0].rows[0]
    assert f'data-slug="{best["slug"]}"' in body.partition("</tr>")[0]


def test_withdrawn_and_superseded_entries_are_not_on_the_page() -> None:
    rows = board_rows(4)
    rows[1]["withdrawn"] = "wrong images"
    rows[2]["superseded_by"] = "method-0"
    assert set(page_content(rows).entries) == {rows[0]["slug"], rows[3]["slug"]}


def test_the_cheapest_entry_is_the_smallest_that_is_not_worse() -> None:
    rows = board_rows(3)
    best = max(rows, key=lambda row: row["hits_1"])
    for row in rows:
        row["dimension"] = 512
    twin = dict(best) | {"slug": "twin", "dimension": 64}
    worst = dict(best) | {
        "slug": "worst", "dimension": 8, "hits_1": 0, "recall_1": 0.0,
        "outcomes_1": pack_outcomes(np.zeros(240, bool)),
    }  # fmt: skip
    (board,) = page_content(settle([*rows, twin, worst], {})).boards
    assert board.cheapest == "twin"


def test_published_numbers_stand_apart_as_they_were_printed() -> None:
    printed = board_rows(2, status="published", submission_digest=None, content=None)
    printed[0] |= {"recall_1": 28.32, "hits_1": None, "low_1": None, "high_1": None}
    printed[0]["remark"] = "28.32 % cannot be a count of 315 queries"
    boards = page_content(
        [*board_rows(2), *[row | {"slug": f"p{i}"} for i, row in enumerate(printed)]]
    )
    assert [board.published for board in boards.boards] == [False, True]
    assert all(row["rank"] is None for row in boards.boards[1].rows)
    page = render_site([*board_rows(2), *printed])
    assert "28.32" in page and "cannot be a count" in page


def test_an_empty_board_says_how_to_begin() -> None:
    assert "vgbench evaluate reference" in render_site([])


def test_a_thousand_entries_on_two_datasets_fit_in_a_page_of_one_and_a_half_megabytes() -> None:
    first = board_rows(1000, 1000)
    second = board_rows(1000, 315, 1, dataset="elsewhere")
    assert len(render_site([*first, *second]).encode()) < 1.5e6


def test_when_an_entry_was_verified_is_said_while_its_digest_is_the_same() -> None:
    rows = board_rows(2)
    record = {"at": "2026-01-02T03:04:05Z", "version": "1.2", "ok": True}
    verified = {
        rows[0]["slug"]: record | {"digest": rows[0]["submission_digest"]},
        rows[1]["slug"]: record | {"digest": "0" * 64},
    }
    entries = page_content(rows, verified).entries
    assert entries[rows[0]["slug"]]["verified"]["version"] == "1.2"
    assert "verified" not in entries[rows[1]["slug"]]


def test_page_and_markdown_are_written_beside_the_table(tmp_path: Path, make_entry: Any) -> None:
    write_submission(Card("net"), [make_entry()], tmp_path)
    page, markdown = write_site(tmp_path)
    assert page == tmp_path / "leaderboard" / "index.html"
    data = re.search(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert data and set(json.loads(data[1])["entries"]) == {"net"}
    assert "| net |" in markdown.read_text(encoding="utf-8")
    assert write_site(tmp_path, tmp_path / "page.html") == [tmp_path / "page.html"]
    assert sorted(p.name for p in (tmp_path / "leaderboard").iterdir()) == [
        "README.md", "index.html", "leaderboard.parquet",
    ]  # fmt: skip


@pytest.mark.parametrize("row", range(3))
def test_conditions_carry_recalls_and_intervals(row: int) -> None:
    rows = board_rows(3, conditions='{"night": {"queries": 80, "hits": {"1": 21, "5": 40}}}')
    low, high = wilson_interval(21, 80)
    found = page_content(rows).boards[0].rows[row]["conditions"]
    assert found[0][:3] == ["night", 80, f"26.2 {100 * low:.1f}–{100 * high:.1f}"]
