"""The page in a real browser: Debian's chromium, driven by Playwright (`make browser`)."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vgbench.leaderboard.site import render_site
from vgbench.retrieval.standings import unpack_outcomes
from vgbench.retrieval.statistics import mcnemar

_spec = importlib.util.spec_from_file_location(
    "site_rows", Path(__file__).with_name("test_site.py")
)
assert _spec and _spec.loader
_rows = importlib.util.module_from_spec(_spec)
sys.modules["site_rows"] = _rows
_spec.loader.exec_module(_rows)

ENTRIES = 250


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    made = _rows.board_rows(ENTRIES)
    made[3]["name"] = made[3]["method"] = _rows.HOSTILE
    made[5]["dimension"] = None
    other = _rows.board_rows(4, 80, 3, dataset="yonder")
    return [*made, *(row | {"slug": f"{row['slug']}-yonder"} for row in other)]


@pytest.fixture(scope="module")
def address(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("site") / "index.html"
    path.write_text(render_site(rows), encoding="utf-8")
    return path.as_uri()


class Seen(list[str]):
    """Requests beyond the page itself, console errors, dialogs: all must stay away."""


@pytest.fixture
def seen() -> Iterator[Seen]:
    noted = Seen()
    yield noted
    assert not noted


def opened(browser: Any, address: str, seen: Seen, fragment: str = "", **context: Any) -> Any:
    page = browser.new_context(**context).new_page()
    own = address.partition("#")[0]
    page.on("request", lambda r: None if r.url.startswith(own) else seen.append(r.url))
    page.on("console", lambda m: seen.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("dialog", lambda dialog: (seen.append(dialog.message), dialog.dismiss()))
    page.goto(address + fragment)
    return page


def column(page: Any, number: int) -> list[str]:
    """The texts of a column of the board that is shown."""
    return page.eval_on_selector_all(  # type: ignore[no-any-return]
        "section.board:not([hidden]) > .scroll tbody tr",
        f"rows => rows.map(row => row.children[{number}].firstElementChild?.textContent"
        f" ?? row.children[{number}].textContent)",
    )


def test_the_script_draws_the_very_rows_that_the_html_has(
    browser: Any, address: str, seen: Seen
) -> None:
    plain = opened(browser, address, seen, java_script_enabled=False)
    body = "section.board >> nth=0 >> tbody >> nth=0"
    normal = "body => [...body.rows].map(row => { row.classList.remove('tier-start'); "
    normal += "if (!row.className) row.removeAttribute('class'); return row.outerHTML"
    normal += ".replace(/\\s+(?=<)|\\n/g, '') })"
    first = plain.locator(body).inner_html()
    live = opened(browser, address, seen)
    drawn = live.locator(body).evaluate(normal)
    there = live.evaluate(
        "html => { const body = document.createElement('tbody'); body.innerHTML = html;"
        f" return ({normal})(body) }}",
        first,
    )
    assert len(drawn) == 100
    assert drawn == there


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(
    browser: Any, address: str, seen: Seen
) -> None:
    page = opened(browser, address, seen)
    page.get_by_role("button", name="Show all").first.click()
    page.locator("section.board:not([hidden]) th[data-sort=dimension] button").click()
    shown = [int(text) for text in column(page, 7) if text]
    assert len(shown) == ENTRIES - 1 and shown == sorted(shown)
    assert column(page, 7)[-1] == ""  # unknown stands last
    heads = page.locator("section.board:not([hidden]) th[aria-sort]")
    assert heads.count() == 1 and heads.first.get_attribute("aria-sort") == "ascending"
    page.locator("section.board:not([hidden]) th[data-sort=dimension] button").click()
    shown = [int(text) for text in column(page, 7) if text]
    assert shown == sorted(shown, reverse=True) and column(page, 7)[-1] == ""
    assert "sort=dimension" in page.url and "dir=desc" in page.url
    assert "sorted by dim, descending" in page.locator("#said").inner_text()


@pytest.mark.parametrize("n", [1, 5, 10, 20])
def test_sorting_by_a_recall_puts_the_best_first(
    browser: Any, address: str, seen: Seen, n: int
) -> None:
    page = opened(browser, address, seen, f"#sort=recall_{n}&all=1")
    shown = [float(text) for text in column(page, {1: 3, 5: 4, 10: 5, 20: 6}[n])]
    assert len(shown) == ENTRIES and shown == sorted(shown, reverse=True)


def test_filters_hide_rows_and_stand_in_the_address(
    browser: Any, address: str, seen: Seen, rows: list[dict[str, Any]]
) -> None:
    page = opened(browser, address, seen)
    page.get_by_label("Backbone").select_option("ResNet-50")
    page.get_by_label("Search").fill("method-1")
    page.get_by_label("Largest dimension").fill("1024")
    wanted = {
        row["name"]
        for row in rows[:ENTRIES]
        if row["backbone"] == "ResNet-50"
        and "method-1" in row["slug"]
        and (row["dimension"] or 9999) <= 1024
    }
    assert set(column(page, 2)) == wanted and wanted
    again = opened(browser, page.url, seen)
    assert set(column(again, 2)) == wanted
    assert again.get_by_label("Search").input_value() == "method-1"
    again.get_by_label("Search").fill("nothing is called so")
    assert (
        "No entry passes" in again.locator("section.board:not([hidden]) tbody").first.inner_text()
    )
    again.get_by_role("button", name="Reset the filters").click()
    assert len(column(again, 2)) == 100


def test_another_dataset_is_chosen_by_the_address_too(
    browser: Any, address: str, seen: Seen
) -> None:
    page = opened(browser, address, seen, "#d=somewhere/test")
    assert page.locator("section.board:not([hidden]) h2").inner_text() == "somewhere/test"
    page.get_by_label("Dataset").select_option("yonder/test")
    assert page.locator("section.board:not([hidden]) h2").inner_text() == "yonder/test"
    assert len(column(page, 2)) == 4


def test_unknown_keys_in_the_address_are_ignored(browser: Any, address: str, seen: Seen) -> None:
    page = opened(browser, address, seen, "#d=nowhere&sort=__proto__&entry=%3Cb%3E&compare=x,y&z=1")
    assert page.locator("#detail").is_hidden()
    assert column(page, 2)


def test_an_entry_has_a_page_of_its_own(browser: Any, address: str, seen: Seen) -> None:
    page = opened(browser, address, seen)
    page.locator("section.board:not([hidden]) tbody th a").first.click()
    detail = page.locator("#detail")
    assert "vgbench verify method-" in detail.inner_text()
    assert "A. Author" in detail.inner_text()
    assert page.evaluate("document.activeElement.id") == "detail"
    assert opened(browser, page.url, seen).locator("#detail").is_visible()
    detail.get_by_role("button", name="Close").click()
    assert detail.is_hidden() and "entry=" not in page.url


def test_comparing_two_gives_the_counts_and_p_values_of_python(
    browser: Any, address: str, seen: Seen, rows: list[dict[str, Any]]
) -> None:
    page = opened(browser, address, seen, "#d=somewhere/test")
    somewhere = [row for row in rows if row["dataset"] == "somewhere"]
    for a, b in [(0, 1), (7, 90), (13, 200), (40, 41)]:
        first, second = (unpack_outcomes(somewhere[i]["outcomes_1"], 240) for i in (a, b))
        slugs = somewhere[a]["slug"], somewhere[b]["slug"]
        page.goto(f"{address}#d=somewhere/test&compare={','.join(slugs)}")
        verdict = page.locator("#detail .verdict[data-p]").last
        only_a, only_b = int((first & ~second).sum()), int((second & ~first).sum())
        assert verdict.get_attribute("data-only-a") == str(only_a)
        assert verdict.get_attribute("data-only-b") == str(only_b)
        p = float(verdict.get_attribute("data-p"))
        assert p == pytest.approx(mcnemar(only_a, only_b), rel=1e-9)


def test_two_chosen_rows_are_compared(browser: Any, address: str, seen: Seen) -> None:
    page = opened(browser, address, seen)
    button = page.get_by_role("button", name="Compare the two chosen")
    assert button.is_disabled()
    boxes = page.locator("section.board:not([hidden]) tbody .pin input")
    boxes.nth(0).check()
    boxes.nth(2).check()
    assert page.url.count("pin=") == 2
    button.click()
    assert "against" in page.locator("#detail h2").inner_text()


def test_it_works_by_keyboard_alone(browser: Any, address: str, seen: Seen) -> None:
    page = opened(browser, address, seen)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('th')?.dataset.sort") == "recall_5":
            break
    page.keyboard.press("Enter")
    assert "sort=recall_5" in page.url


def test_it_fits_a_phone_of_320_pixels(browser: Any, address: str, seen: Seen) -> None:
    for fragment in ("", "#entry=method-1", "#compare=method-1,method-2"):
        page = opened(browser, address, seen, fragment, viewport={"width": 320, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_it_reads_without_javascript(browser: Any, address: str, seen: Seen) -> None:
    page = opened(browser, address, seen, java_script_enabled=False)
    assert page.locator("section.board").count() == 2
    assert page.locator("section.board >> nth=0 >> tbody >> nth=0 >> tr").count() == 100
    assert page.locator(".controls").is_hidden()
    assert "Without JavaScript" in page.inner_text("body")


def test_dark_mode_has_a_dark_ground(browser: Any, address: str, seen: Seen) -> None:
    page = opened(browser, address, seen, color_scheme="dark")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(json.loads(ground.replace("rgb(", "[").replace(")", "]"))) < 120


def test_a_hostile_name_is_shown_as_text_everywhere(
    browser: Any, address: str, seen: Seen, rows: list[dict[str, Any]]
) -> None:
    hostile = rows[3]["slug"]
    page = opened(browser, address, seen, f"#entry={hostile}&all=1&d=somewhere/test")
    assert "<script>alert(1)</script>[/bold]" in page.locator("#detail h2").inner_text()
    assert page.locator("img").count() == 0
    page.goto(f"{address}#compare={hostile},method-9")
    assert "<script>alert(1)</script>" in page.locator("#detail h2").inner_text()


def test_csv_holds_the_filtered_rows_and_no_formula(browser: Any, address: str, seen: Seen) -> None:
    page = opened(browser, address, seen, "#d=yonder/test")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("dataset,name,slug") and len(lines) == 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("fragment", ["", "#entry=method-1", "#compare=method-1,method-2"])
def test_axe_finds_no_violation(
    browser: Any, address: str, seen: Seen, scheme: str, fragment: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = opened(browser, address, seen, fragment, color_scheme=scheme)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.slow
def test_sorting_ten_thousand_rows_is_painted_in_a_tenth_of_a_second(
    browser: Any, tmp_path: Path, seen: Seen
) -> None:
    rows = [
        row | {"slug": f"{row['slug']}-{copy}", "name": f"net {copy}", "outcomes_1": None}
        for copy in range(20)
        for row in _rows.board_rows(500, 100, copy)
    ]
    path = tmp_path / "index.html"
    path.write_text(render_site(rows), encoding="utf-8")
    page = opened(browser, path.as_uri(), seen)
    timed = page.evaluate(
        """async () => {
          const board = document.querySelector('section.board');
          const painted =
            () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
          const times = [];
          const keys = ['recall_5', 'name', 'dimension', 'recall_1', 'recall_20', 'backbone'];
          for (const key of keys) {
            const button = board.querySelector(`th[data-sort=${key}] button`);
            let best = Infinity;  // of three clicks: other work on the machine is not the page's
            for (let round = 0; round < 3; round++) {
              await painted();
              const start = performance.now();
              button.click();
              await painted();
              best = Math.min(best, performance.now() - start);
            }
            times.push(best);
          }
          return times.sort((a, b) => a - b);
        }"""
    )
    assert timed[len(timed) // 2] < 100, timed
