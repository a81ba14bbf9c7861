"""The report in a real browser: Debian's chromium, driven by Playwright (`make browser`)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgbench.datasets import load_dataset
from vgbench.evaluation import score
from vgbench.leaderboard.report.content import listed_queries, worst_first
from vgbench.leaderboard.report.reading import Evaluation, read_evaluation
from vgbench.leaderboard.report.writing import write_report

HOSTILE = "<script>alert(1)</script>[/bold]"
Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def evaluation(unpacked: Path) -> Evaluation:
    """240 queries of demo-city, about half of them not localized at 1."""
    dataset = load_dataset("demo-city", "test", unpacked)
    where = np.concatenate([dataset.database_positions, dataset.query_positions])
    noise = np.random.default_rng(0).normal(scale=20, size=where.shape)
    rows = (where - where.mean(axis=0) + noise).astype(np.float32)
    return read_evaluation(score(rows, dataset))


@pytest.fixture(scope="module")
def many(evaluation: Evaluation) -> Evaluation:
    """3,000 queries with hostile names and no images; the first one is the 240's, and so on."""
    times, count = 13, 3000
    random = np.random.default_rng(0)

    def repeated(values: Any) -> Any:
        return np.concatenate([values] * times)[:count]

    moved = repeated(evaluation.query_positions)
    return replace(
        evaluation,
        slug="many",
        name=f"net {HOSTILE}",
        dataset=f"city {HOSTILE}",
        query_paths=[f"queries/{number} {HOSTILE}.jpg" for number in range(count)],
        database_paths=[f"database/{HOSTILE}{path}" for path in evaluation.database_paths],
        query_positions=moved + random.uniform(-0.001, 0.001, moved.shape),
        conditions=np.array([HOSTILE, "night"])[random.integers(0, 2, count)],
        rows=repeated(evaluation.rows),
        distances=repeated(evaluation.distances),
        first_hits=repeated(evaluation.first_hits),
        images=None,
        facts=(("notes", HOSTILE),),
    )


@pytest.fixture(scope="module")
def pictured(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with pictures of all that it lists."""
    return write_report(evaluation, tmp_path_factory.mktemp("page") / "pictured.html").page


@pytest.fixture(scope="module")
def long(many: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 3,000 queries, without pictures."""
    return write_report(many, tmp_path_factory.mktemp("page") / "long.html").page


@pytest.fixture(scope="module")
def short(
    evaluation: Evaluation, many: Evaluation, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The first dozen of either page: enough for what all rows have in common."""
    folder = tmp_path_factory.mktemp("short")
    return {
        "pictures": write_report(evaluation, folder / "pictured.html", queries=12).page,
        "names": write_report(many, folder / "long.html", queries=12).page,
    }


@pytest.fixture
def opened(browser: Any) -> Iterator[Opened]:
    """Open a page; requests, errors of the console, policy violations and dialogs are failures."""
    seen: list[str] = []
    contexts = []

    def start(path: Path, fragment: str = "", files: bool = False, **options: Any) -> Any:
        context = browser.new_context(reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        own = path.as_uri()
        allowed = (own, "data:", "file:") if files else (own, "data:")
        page.on("request", lambda r: seen.extend([r.url] * (not r.url.startswith(allowed))))
        page.on("console", lambda m: seen.extend([m.text] * (m.type in ("error", "warning"))))
        page.on("pageerror", lambda error: seen.append(str(error)))
        page.on("dialog", lambda dialog: seen.extend([dialog.message] * (not dialog.dismiss())))
        page.goto(own + fragment)
        return page

    yield start
    for context in contexts:
        context.close()
    assert seen == []


TREES = """(rows) => {
  const tree = (node) => node.nodeType === Node.TEXT_NODE ? node.data.trim()
    : [node.tagName, ...[...node.attributes].map((a) => `${a.name}=${a.value}`).sort(),
       ...[...node.childNodes].filter((child) => !child.hidden).map(tree)].filter((x) => x !== "");
  return [...rows].map(tree);
}"""
"""What is to be seen of elements, without the order of attributes and spaces between tags."""


def shown(page: Any) -> list[int]:
    """Which queries are on the page, in its order."""
    return page.eval_on_selector_all(  # type: ignore[no-any-return]
        "#rows > .query", "rows => rows.map(row => Number(row.id.slice(1)))"
    )


def order_of(evaluation: Evaluation) -> list[int]:
    best = evaluation.database_positions[evaluation.rows[:, 0]] - evaluation.query_positions
    order: list[int] = worst_first(evaluation.first_hits, np.hypot(*best.T)).tolist()
    return order


def test_the_script_draws_the_very_rows_that_the_html_has(pictured: Path, opened: Opened) -> None:
    plain = opened(pictured, java_script_enabled=False).locator("#rows").inner_html()
    page = opened(pictured)
    page.locator("select[name=result]").select_option("miss")
    page.locator("select[name=result]").select_option("")  # every row is drawn anew
    drawn = page.eval_on_selector_all("#rows > .query", TREES)[:100]
    there = page.evaluate(
        "html => { const box = document.createElement('div'); box.innerHTML = html;"
        f" return ({TREES})(box.children) }}",
        plain,
    )
    assert len(there) == 100 and "src=data:image/jpeg" in str(there[0])
    assert drawn == there


def test_a_hundred_queries_are_there_at_once_and_thousands_when_one_comes_near(
    long: Path, many: Evaluation, opened: Opened
) -> None:
    page = opened(long, viewport={"width": 1280, "height": 800})
    expected = order_of(many)
    assert shown(page) == expected[:100]
    lengths = [100]
    for _ in range(5):
        page.wait_for_function(
            """(before) => {
              scrollTo(0, document.documentElement.scrollHeight);
              return document.querySelectorAll("#rows > .query").length > before;
            }""",
            arg=lengths[-1],
        )
        lengths.append(len(shown(page)))
    assert lengths[-1] < 1000
    assert shown(page) == expected[: lengths[-1]]


def test_the_last_query_is_reached_by_scrolling(pictured: Path, opened: Opened) -> None:
    page = opened(pictured)
    assert len(shown(page)) < 240
    for _ in range(40):
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        if page.locator("#more").is_hidden():
            break
        page.wait_for_timeout(50)
    assert len(shown(page)) == 240
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = page.locator("#rows > .query").last.locator("img:visible").first
    last.scroll_into_view_if_needed()
    page.wait_for_function(
        "image => image.complete && image.naturalWidth > 0", arg=last.element_handle()
    )


def test_predictions_are_framed_green_or_red_with_metres_and_rank(
    pictured: Path, evaluation: Evaluation, opened: Opened
) -> None:
    page = opened(pictured, color_scheme="light")
    colours = page.eval_on_selector_all(
        "#rows > .query",
        "rows => rows.map(row => [...row.querySelectorAll('li')].map(item => [item.textContent,"
        " getComputedStyle(item.querySelector('img')).borderTopColor]))",
    )
    seen = set()
    for query, items in zip(listed_queries(evaluation, None, 5), colours, strict=False):
        for rank, (found, (text, colour)) in enumerate(
            zip(query.predictions, items, strict=True), 1
        ):
            red, green, _ = map(int, re.findall(r"\d+", colour))
            assert (green > red) == found.right
            assert text.startswith("✓" if found.right else "✗") and f"rank {rank} ·" in text
            assert abs(float(text[1:].split("m")[0]) - found.metres) <= 0.5
            seen.add(found.right)
    assert seen == {True, False}


def test_it_reads_without_javascript(pictured: Path, opened: Opened) -> None:
    page = opened(pictured, java_script_enabled=False, viewport={"width": 1280, "height": 800})
    assert page.locator("#rows > .query").count() == 100
    for selector in (".controls", "#more", "#said", ".locate >> nth=0"):
        assert page.locator(selector).is_hidden()
    assert "Without JavaScript this page shows 100 of its 240 queries" in page.inner_text("body")
    assert page.locator(".map path.miss").count() == 1
    assert page.locator("#rows img").first.is_visible()


def test_filters_keep_the_order_and_say_how_many(
    pictured: Path, evaluation: Evaluation, opened: Opened
) -> None:
    page = opened(pictured)
    page.locator("select[name=condition]").select_option("night")
    page.locator("select[name=result]").select_option("hit")
    assert evaluation.conditions is not None
    right = (evaluation.conditions == "night") & (evaluation.first_hits == 0)
    expected = [query for query in order_of(evaluation) if right[query]]
    assert shown(page) == expected and expected
    assert page.inner_text("#said") == f"{len(expected)} of 240 queries."
    name = evaluation.query_paths[expected[0]].rpartition("/")[2]
    page.locator("input[name=q]").fill(name.upper())
    assert shown(page) == expected[:1]
    page.locator("input[name=q]").fill("no name has this")
    assert shown(page) == [] and page.inner_text("#said") == "No query passes these filters."


def test_a_query_has_an_address(long: Path, many: Evaluation, opened: Opened) -> None:
    far = order_of(many)[2500]
    page = opened(long, f"#q{far}")
    assert page.evaluate("document.activeElement.id") == f"q{far}"
    assert page.locator(f"#q{far}").is_visible()
    page.wait_for_function(
        "() => Math.abs(document.activeElement.getBoundingClientRect().top) < innerHeight"
    )
    assert shown(page) == order_of(many)[2475 : 2475 + len(shown(page))]  # not all before it
    page.get_by_role("button", name="Show those before").click()
    assert shown(page)[:50] == order_of(many)[2450:2500]
    near = order_of(many)[3]
    page.evaluate(f"location.hash = 'q{near}'")
    page.wait_for_function(f"() => document.activeElement.id === 'q{near}'")
    assert shown(page)[:100] == order_of(many)[:100]
    assert page.get_by_role("button", name="Show those before").count() == 0
    page.evaluate("location.hash = 'q99999'")  # nobody's: nothing happens
    page.evaluate("location.hash = '__proto__'")


def test_a_click_on_the_map_goes_to_the_nearest_query(
    pictured: Path, evaluation: Evaluation, opened: Opened
) -> None:
    page = opened(pictured, viewport={"width": 1280, "height": 900})
    chosen = order_of(evaluation)[150]
    everything = [evaluation.database_positions, evaluation.query_positions]
    low = np.concatenate(everything).min(axis=0)
    extent = float((np.concatenate(everything).max(axis=0) - low).max())
    page.locator(".map").scroll_into_view_if_needed()
    at = page.evaluate(
        """([x, y]) => {
          const map = document.querySelector(".map");
          const box = map.getBBox(), point = new DOMPoint(x, y).matrixTransform(map.getScreenCTM());
          return [point.x, point.y];
        }""",
        page.evaluate("JSON.parse(document.getElementById('data').textContent).queries[150]")[-2:],
    )
    page.mouse.click(*at)
    focused = int(page.evaluate("document.activeElement.id.slice(1)"))
    away = evaluation.query_positions[focused] - evaluation.query_positions[chosen]
    assert np.hypot(*away) <= 2 * extent / page.locator(".map").bounding_box()["width"] + 1
    assert page.locator(".map .shown circle").count() == 1


def test_predictions_are_shown_on_the_map(
    pictured: Path, evaluation: Evaluation, opened: Opened
) -> None:
    page = opened(pictured)
    page.locator("#rows > .query >> nth=4 >> .locate").click()
    query = listed_queries(evaluation, None, 5)[4]
    places = {
        tuple(evaluation.database_positions[found.row].tolist()) for found in query.predictions
    }
    assert 1 <= page.locator(".map .shown path").count() <= len(places)
    labels = ",".join(page.locator(".map .shown text").all_text_contents()).split(",")
    assert sorted(labels) == ["1", "2", "3", "4", "5"]
    assert page.inner_text("#said") == "Query 5 is shown on the map."


def test_it_works_by_keyboard_alone(pictured: Path, opened: Opened) -> None:
    page = opened(pictured)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.name || document.activeElement.className")
        )
    assert reached == ["condition", "result", "q", "locate js", "locate js"]
    page.keyboard.press("Enter")
    assert page.inner_text("#said") == "Query 2 is shown on the map."


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("kind", ["pictures", "names"])
def test_it_fits_and_axe_finds_no_violation(
    short: dict[str, Path], kind: str, width: int, scheme: str, opened: Opened
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = opened(short[kind], viewport={"width": width, "height": 700}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("select[name=condition]").select_option("night")  # rows that the script has drawn
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.locator(".locate").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:300]) for one in found] == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(json.loads(ground.replace("rgb(", "[").replace(")", "]"))) < 120) == (
        scheme == "dark"
    )


def test_hostile_names_are_text_in_the_html_and_in_what_the_script_draws(
    long: Path, opened: Opened
) -> None:
    for scripted in (False, True):
        page = opened(long, java_script_enabled=scripted)
        assert HOSTILE in page.inner_text("h1")
        page.locator("header summary").click()
        assert page.inner_text("header dd") == HOSTILE
        row = page.locator("#rows > .query").last
        for selector in ("h3", ".said", "li"):
            assert HOSTILE in row.locator(selector).first.text_content()
        assert page.locator("script").count() == 2
    page.locator("select[name=condition]").select_option(HOSTILE)
    texts = page.locator("#rows > .query").last.locator("h3, .said, li").all_text_contents()
    assert all(HOSTILE in text for text in texts)
    assert page.locator("script").count() == 2


def test_the_policy_stops_what_is_not_the_pages_own(pictured: Path, browser: Any) -> None:
    page = browser.new_context().new_page()
    page.goto(pictured.as_uri())
    stopped = page.evaluate(
        """async () => {
          const stopped = [];
          addEventListener("securitypolicyviolation",
            (event) => stopped.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          const image = new Image();
          image.src = "http://127.0.0.1:9/a.png";
          document.body.append(script, image);
          await fetch("http://127.0.0.1:9/").catch(() => 0);
          await new Promise((done) => setTimeout(done, 100));
          return [window.ran === undefined, ...stopped];
        }"""
    )
    assert stopped[0] is True
    assert {"script-src-elem", "img-src", "connect-src"} <= set(stopped[1:])


def test_linked_pictures_are_the_datasets_own_files(
    evaluation: Evaluation, tmp_path: Path, opened: Opened
) -> None:
    made = write_report(evaluation, tmp_path / "linked.html", queries=5, images="link")
    page = opened(made.page, files=True)
    first = page.locator("#rows img:visible").first
    first.scroll_into_view_if_needed()
    page.wait_for_function("i => i.complete && i.naturalWidth > 0", arg=first.element_handle())
    (query, *_) = listed_queries(evaluation, 1, 1)
    assert evaluation.images is not None
    file = evaluation.images.image_path(evaluation.query_paths[query.index])
    assert first.evaluate("image => decodeURIComponent(image.src)") == f"file://{file}"


def test_it_prints_the_queries_and_not_the_controls(pictured: Path, opened: Opened) -> None:
    page = opened(pictured)
    page.emulate_media(media="print")
    assert page.locator(".controls").is_hidden() and page.locator(".locate").first.is_hidden()
    assert page.locator("#rows > .query").first.is_visible()
