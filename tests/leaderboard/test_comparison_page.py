"""The page of a comparison: its cases against a slow definition, and in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgbench.datasets import Dataset, load_dataset
from vgbench.entering import entry_of
from vgbench.errors import UsageError, VgbenchError
from vgbench.evaluation import Result, score
from vgbench.leaderboard import comparison_page
from vgbench.leaderboard.comparing import compare
from vgbench.leaderboard.comparison import Comparison
from vgbench.leaderboard.comparison_page import render_page, write_page
from vgbench.leaderboard.disagreements import find_disagreements
from vgbench.leaderboard.entry import Card
from vgbench.leaderboard.submission import write_submission

HOSTILE = "<script>alert(1)</script>[/bold]"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_dataset("demo-city", "val", tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def results(dataset: Dataset) -> tuple[Result, Result]:
    where = np.concatenate([dataset.database_positions, dataset.query_positions])
    made = []
    for seed in (0, 1):
        noise = np.random.default_rng(seed).normal(scale=20, size=where.shape)
        made.append(score((where - where.mean(axis=0) + noise).astype(np.float32), dataset))
    return made[0], made[1]


@pytest.fixture
def entries(results: tuple[Result, Result], board: Path) -> Comparison:
    """Two entries of a board; their dataset is not installed where they are read."""
    for name, result in zip(("first", HOSTILE), results, strict=True):
        write_submission(Card(name), [entry_of(result)], board, versions={"vgbench": "0.1.0"})
    slugs = sorted(path.name for path in (board / "submissions").iterdir())
    return compare(slugs[0], slugs[1], board)


def test_cases_are_the_discordant_queries_with_what_each_method_predicts(
    results: tuple[Result, Result], dataset: Dataset
) -> None:
    found = compare(*results)
    for n in (1, 5):
        cases = find_disagreements(*found.pairs["demo-city/val"], n).cases
        expected = {
            query
            for query, ranks in enumerate(zip(*(r.first_hits for r in results), strict=True))
            if (0 <= ranks[0] < n) != (0 <= ranks[1] < n)
        }
        assert {case.query for case in cases} == expected and len(cases) == len(expected)
        for case in cases:
            assert case.path == dataset.query_paths[case.query]
            for best, result in zip((case.a, case.b), results, strict=True):
                row = result.predictions.rows[case.query, 0]
                away = dataset.database_positions[row] - dataset.query_positions[case.query]
                assert best.path == dataset.database_paths[row]
                assert best.metres == pytest.approx(np.hypot(*away))
                rank = int(result.first_hits[case.query])
                assert best.rank == (None if rank < 0 else rank + 1)
            winner = case.a if case.better == "a" else case.b
            assert winner.rank is not None and winner.rank <= n
        losers = [(c.b if c.better == "a" else c.a).rank or 99 for c in cases]
        assert losers == sorted(losers, reverse=True)


def test_without_the_images_everything_is_named_and_nothing_is_drawn(entries: Comparison) -> None:
    page = render_page(entries)
    assert "<img" not in page and "not installed" in page
    cases = find_disagreements(*entries.pairs["demo-city/val"], 1).cases
    assert page.count('<figure class="query">') == len(cases) > 5
    for case in cases:
        assert case.path.rpartition("/")[2] in page
        assert case.a.path is not None and case.a.path.rpartition("/")[2] in page


def test_with_the_images_each_case_shows_three_and_their_number_is_capped(
    results: tuple[Result, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = compare(*results)
    cases = len(find_disagreements(*found.pairs["demo-city/val"], 1).cases)
    assert render_page(found).count('src="data:image/jpeg;base64,') == 3 * cases
    monkeypatch.setattr(comparison_page, "PICTURED", 7)
    capped = render_page(found)
    assert capped.count('src="data:image/jpeg;base64,') == 3 * 7
    assert capped.count('<figure class="query">') == cases


def test_an_image_that_cannot_be_read_is_named_instead(
    results: tuple[Result, Result], tmp_path: Path
) -> None:
    found = compare(*results)
    a, b = found.pairs["demo-city/val"]
    case = find_disagreements(a, b, 1).cases[0]
    own = load_dataset("demo-city", "val", tmp_path)
    own.image_path(case.path).write_bytes(b"\xff\xd8 not an image")
    other = own.image_path(case.a.path or "")
    other.unlink()
    pairs = {"demo-city/val": (replace(a, dataset=own), replace(b, dataset=own))}
    page = render_page(replace(found, pairs=pairs))
    assert f'<div class="none">{case.path.rpartition("/")[2]}</div>' in page
    assert f'<div class="none">{other.name}</div>' in page


def test_names_of_strangers_are_text(entries: Comparison) -> None:
    page = render_page(entries)
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;[/bold]" in page
    assert re.findall(r"<script", page) == []


def test_the_page_asks_nothing_of_anybody(results: tuple[Result, Result]) -> None:
    page = render_page(compare(*results))
    assert "default-src 'none'" in page and "unsafe" not in page
    assert re.findall(r"(?:href|src)=\"(?!#|data:image/jpeg;base64,)[^\"]*\"", page) == []


def test_what_cannot_be_written_is_said(entries: Comparison, tmp_path: Path) -> None:
    assert write_page(entries, tmp_path / "new" / "page.html").is_file()
    with pytest.raises(UsageError, match="is a folder"):
        write_page(entries, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(VgbenchError, match="Cannot write"):
        write_page(entries, tmp_path / "file" / "page.html")


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page; requests, errors of the console and dialogs are failures."""
    seen: list[str] = []
    contexts = []

    def start(path: Path, **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        own = path.as_uri()
        page.on(
            "request",
            lambda r: None if r.url == own or r.url.startswith("data:") else seen.append(r.url),
        )
        page.on("console", lambda m: seen.append(m.text) if m.type in ("error", "warning") else 0)
        page.on("dialog", lambda dialog: (seen.append(dialog.message), dialog.dismiss()))
        page.goto(own)
        return page

    yield start
    for context in contexts:
        context.close()
    assert seen == []


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 1280, "height": 900}},
        {"viewport": {"width": 320, "height": 700}, "color_scheme": "dark"},
    ],
    ids=["wide and light", "narrow and dark"],
)
def test_a_browser_shows_it_without_a_violation_of_accessibility(
    results: tuple[Result, Result],
    tmp_path: Path,
    opened: Callable[..., Any],
    options: dict[str, Any],
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = opened(write_page(compare(*results), tmp_path / "page.html"), **options)
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert page.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    dark = options.get("color_scheme") == "dark"
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground != "rgb(255, 255, 255)") == dark


def test_a_browser_shows_a_hostile_name_as_text_and_keys_reach_the_tables(
    entries: Comparison, tmp_path: Path, opened: Callable[..., Any]
) -> None:
    page = opened(write_page(entries, tmp_path / "page.html"))
    assert HOSTILE in page.inner_text("header dl")
    assert page.evaluate("document.scripts.length") == 0
    reached = []
    for _ in range(2):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.className"))
    assert reached == ["skip", "scroll"]
