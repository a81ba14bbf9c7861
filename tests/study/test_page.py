from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from vgbench.models.included import reference_file
from vgbench.study.page import page_figures, page_text, write_page
from vgbench.study.results import FILE, Study, read_study

PAGE = Path(__file__).parents[2] / "docs" / "study.md"


def _asked(small: Any) -> Study:
    """The small study, and a model that was asked about sizes and poolings."""
    one, other = small.study.runs["base-gem"].evaluations
    sizes = [replace(e, image_size=s) for s in ("96x128", "192x256") for e in (one, other)]
    averaged = replace(one, architecture="net+avg (trained with gem)", image_size="192x256")
    curve = ({"epoch": 0, "loss": 3.14159, "recall_1": 12.5, "recall_5": 25.0},)
    return replace(small.study, reference=(*sizes, averaged), reference_curve=curve)


def test_the_page_comes_out_the_same_from_its_own_results(small: Any, tmp_path: Path) -> None:
    first = write_page(_asked(small), tmp_path / "one" / "study.md")
    again = write_page(read_study(tmp_path / "one" / "study" / FILE), tmp_path / "two" / "study.md")
    assert [path.name for path in first] == [
        "table-1.svg", "table-4.svg", "image-size.svg", "reference-curve.svg", FILE, "study.md",
    ]  # fmt: skip
    for before, after in zip(first[:-1], again[:-1], strict=True):
        assert before.read_bytes() == after.read_bytes(), before.name
    texts = [path.read_text() for path in (first[-1], again[-1])]
    assert texts[0].replace("one/study", "two/study") == texts[1]
    for path in first[:-2]:
        ElementTree.parse(path)


def test_the_repositorys_page_is_what_its_results_give() -> None:
    if not PAGE.is_file():
        pytest.skip("the documentation is not beside the tests")
    study = read_study(PAGE.with_suffix("") / FILE)
    included = hashlib.sha256(reference_file().read_bytes()).hexdigest()
    assert {one.weights for one in study.reference} == {included}, "asked of other weights"
    figures = page_figures(study)
    assert PAGE.read_text(encoding="utf-8") == page_text(study, PAGE, list(figures))
    for name, text in figures.items():
        assert (PAGE.with_suffix("") / name).read_text(encoding="utf-8") == text, name


def test_every_figure_that_the_page_shows_is_there(small: Any, tmp_path: Path) -> None:
    *_, page = write_page(_asked(small), tmp_path / "docs" / "study.md")
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text())
    assert len(shown) == 4
    assert all((page.parent / name).is_file() for name in shown)
    assert "--results docs/study/results.json --page docs/study.md" in page.read_text()


def test_the_page_says_what_was_trained_and_what_failed(small: Any) -> None:
    text = " ".join(page_text(_asked(small), Path("docs/study.md")).split())
    assert "seed 0, on tiny-city, images resized to 32x48; initial weights: random, seed 0" in text
    assert "2 epochs of batches of 3 places" in text
    assert "Before training: resnet18(layer2)+avg+fc512 R@1" in text
    assert "Without a result: adam (The recipe adam cannot be used" in text
    assert "--set 'data.image_size=[32,48]'" in text
    assert "nightlight's R@1 of 60.2 at epoch 3 stands between 47.0 and 54.4" in text
    assert "28.32 | 315 | 89: 28.25, 90: 28.57 |" in text


def test_tables_are_whole_and_hold_the_measured_numbers(small: Any) -> None:
    text = page_text(_asked(small), Path("docs/study.md"))
    blocks = [b.splitlines() for b in text.split("\n\n") if b.startswith("|")]
    assert len(blocks) == 12
    for block in blocks:
        assert block[1].startswith("|---")
        assert {row.count("|") for row in block} == {block[0].count("|")}
    base = small.study.runs["base"].on("tiny-city/val")
    assert f"| base | {100 * base.hits(1) / base.queries:.1f} [" in text
    gem = small.study.runs["base-gem"].on("tiny-city/val")
    only_base = int((base.localized(1) & ~gem.localized(1)).sum())
    only_gem = int((gem.localized(1) & ~base.localized(1)).sum())
    assert re.search(
        rf"\| base → base-gem \| [\d.]+ \| [\d.]+ \| {only_base} \| {only_gem} \|", text
    )
    assert "| 0 | 3.14 | 12.5 | 25.0 |" in text


def test_a_study_without_runs_still_says_what_the_printed_numbers_can_show() -> None:
    text = page_text(Study("demo-city", None, ()), Path("docs/study.md"))
    assert "nothing was trained yet" in text
    assert "| circle → sgd | 2.8 → 6.0 | +32 | 5e-10 – 8e-4 | 5e-9 – 0.01 | **yes** |" in text
    assert "The included model" not in text


def test_names_cannot_break_the_page(small: Any) -> None:
    run = replace(small.study.runs["base"], training_data="a|b\n# c", recipe="<i>x|y")
    text = page_text(replace(small.study, runs={"<i>x|y": run}), Path("docs/study.md"))
    assert "\n# c" not in text
    assert "<i>" not in re.sub(r"(?m)^    .*$", "", text)


@pytest.mark.parametrize("page", ["study.txt", "study"])
def test_only_a_markdown_file_can_be_named(page: str, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from vgbench.cli.main import app

    result = CliRunner().invoke(app, ["study", "--page", str(tmp_path / page)])
    assert "names the Markdown file" in str(result.exception)
