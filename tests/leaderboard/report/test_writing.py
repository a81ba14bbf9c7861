"""The page as text and bytes; what a browser makes of it is in `test_browser.py`."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgbench.datasets import load_dataset
from vgbench.errors import UsageError, VgbenchError
from vgbench.evaluation import Result, score
from vgbench.leaderboard.report.content import listed_queries, recall_table, worst_first
from vgbench.leaderboard.report.pictures import Pictures
from vgbench.leaderboard.report.reading import Evaluation, read_evaluation
from vgbench.leaderboard.report.rendering import render_report
from vgbench.leaderboard.report.writing import write_report

HOSTILE = "<script>alert(1)</script>[/bold]"


@pytest.fixture(scope="module")
def result(unpacked: Path) -> Result:
    dataset = load_dataset("demo-city", "val", unpacked)
    where = np.concatenate([dataset.database_positions, dataset.query_positions])
    noise = np.random.default_rng(0).normal(scale=20, size=where.shape)
    return score((where - where.mean(axis=0) + noise).astype(np.float32), dataset)


@pytest.fixture(scope="module")
def evaluation(result: Result) -> Evaluation:
    return read_evaluation(result)


def articles(page: str) -> list[str]:
    """The queries that are in the HTML, without the script's template."""
    return re.findall(r'<article class="query" id="q\d+".*?</article>', page, re.S)


def held(page: str) -> dict[str, Any]:
    """What the script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_the_same_evaluation_gives_the_same_bytes(result: Result, tmp_path: Path) -> None:
    first = write_report(result, tmp_path / "a.html")
    second = write_report(result, tmp_path / "b.html")
    assert first.page.read_bytes() == second.page.read_bytes()
    assert first.bytes == first.page.stat().st_size
    assert (first.queries, first.of) == (min(100, len(result.first_hits)), len(result.first_hits))
    assert first.missed == int((result.first_hits != 0).sum())


def test_the_html_says_of_each_query_what_was_computed(evaluation: Evaluation) -> None:
    listed = listed_queries(evaluation, None, 4)
    page = render_report(evaluation, listed, Pictures("none", {}))
    shown = articles(page)
    assert len(shown) == min(100, len(listed)) > 20
    for query, article in zip(listed, shown, strict=False):
        assert f'id="q{query.index}"' in article
        frames = re.findall(r'<li class="picture (right|wrong)">', article)
        assert frames == ["right" if found.right else "wrong" for found in query.predictions]
        words = re.findall(r"<b>([✓✗]) ([\d.,]+ k?m)</b> <span>rank (\d+)", article)
        assert [int(rank) for *_, rank in words] == [1, 2, 3, 4]
        for (mark, metres, _), found in zip(words, query.predictions, strict=True):
            assert mark == ("✓" if found.right else "✗")
            assert float(metres.split()[0].replace(",", "")) == pytest.approx(found.metres, abs=0.5)
        for found in query.predictions:
            assert evaluation.database_paths[found.row].rpartition("/")[2] in article
        if query.rank and query.rank > 1:
            assert f"first positive at rank {query.rank}" in article


def test_a_hundred_queries_are_in_the_html_and_all_in_the_data(evaluation: Evaluation) -> None:
    times = -(-1000 // len(evaluation.first_hits))
    many = replace(
        evaluation,
        query_paths=[f"queries/{i}.jpg" for i in range(times * len(evaluation.first_hits))],
        query_positions=np.tile(evaluation.query_positions, (times, 1)),
        conditions=None,
        rows=np.tile(evaluation.rows, (times, 1)),
        distances=np.tile(evaluation.distances, (times, 1)),
        first_hits=np.tile(evaluation.first_hits, times),
    )
    page = render_report(many, listed_queries(many, None, 5), Pictures("none", {}))
    assert len(articles(page)) == 100
    queries = held(page)["queries"]
    away = np.hypot(*(many.database_positions[many.rows[:, 0]] - many.query_positions).T)
    assert [query[0] for query in queries] == worst_first(many.first_hits, away).tolist()
    assert len(queries) == len(many.first_hits) >= 1000


def test_the_table_is_that_of_the_recalls(evaluation: Evaluation) -> None:
    page = render_report(evaluation, listed_queries(evaluation, 3, 5), Pictures("none", {}))
    table = re.search(r'<table class="recalls">.*?</table>', page, re.S)
    assert table
    cells = re.findall(r'<td class="n">([\d.]+)<small>([\d.]+)–([\d.]+)</small>', table[0])
    expected = [
        tuple(f"{value:.1f}" for value in cell)
        for line in recall_table(evaluation) for cell in line.cells
    ]  # fmt: skip
    assert cells == expected and len(cells) > 4


def test_the_policy_allows_the_one_script_and_nothing_from_elsewhere(
    result: Result, tmp_path: Path
) -> None:
    page = write_report(result, tmp_path / "a.html").page.read_text("utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy and policy[1].startswith("default-src 'none';")
    script = re.search(r"<script>(.*?)</script>", page, re.S)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1] and "img-src data:;" in policy[1]
    assert re.findall(r'(?:href|src)="(?!#|data:image/jpeg;base64,)[^"]*"', page) == []
    assert "url(" not in page and "@import" not in page


def test_names_of_strangers_are_text(evaluation: Evaluation) -> None:
    hostile = replace(
        evaluation,
        name=HOSTILE,
        dataset=HOSTILE,
        facts=(("notes", HOSTILE),),
        conditions=np.array([HOSTILE] * len(evaluation.first_hits)),
        query_paths=[f"queries/{HOSTILE}\x1b[31m\u202e{i}" for i in range(len(evaluation.rows))],
        database_paths=[f"database/{HOSTILE}{i}" for i in range(len(evaluation.database_paths))],
    )
    page = render_report(hostile, listed_queries(hostile, None, 5), Pictures("none", {}), limit=3)
    assert HOSTILE not in page and "<script>alert" not in page
    assert page.count("<script") == 2  # the data and the page's own
    assert "\x1b" not in page and "\u202e" not in page
    assert held(page)["queries"][7][1].startswith(HOSTILE)


def test_a_page_goes_to_a_file_a_folder_or_the_place_where_one_is(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_report(result, images="none").page == Path("descriptors-demo-city-val.html")
    (tmp_path / "pages").mkdir()
    made = write_report(result, "pages", images="none").page
    assert made == Path("pages/descriptors-demo-city-val.html") and made.is_file()
    with pytest.raises(UsageError, match=r"ends in \.html, or a folder"):
        write_report(result, "page.txt")
    (tmp_path / "file").touch()
    with pytest.raises(VgbenchError):
        write_report(result, tmp_path / "file" / "page.html", images="none")


@pytest.mark.parametrize("wrong", [{"queries": 0}, {"top": 0}, {"images": "inline"}])
def test_numbers_and_words_that_make_no_sense_are_refused(
    result: Result, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        write_report(result, tmp_path / "a.html", **wrong)
    assert not (tmp_path / "a.html").exists()
