"""`vgbench report` as users run it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgbench.datasets import load_dataset
from vgbench.entering import submit
from vgbench.evaluation import Result, score

Vgbench = Callable[..., Any]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def enter(name: str = "Method A", split: str = "val") -> Result:
    """Descriptors of demo-city that are positions with noise."""
    dataset = load_dataset("demo-city", split)
    where = np.concatenate([dataset.database_positions, dataset.query_positions])
    rows = where - where.mean(axis=0) + np.random.default_rng(0).normal(scale=20, size=where.shape)
    result = score(rows.astype(np.float32), dataset)
    submit(result, name)
    np.save("rows.npy", rows.astype(np.float32))
    return result


def test_a_page_is_written_here_and_said_to_be(vgbench: Vgbench) -> None:
    result = enter()
    ran = vgbench("report", "method-a")
    page = Path("method-a-demo-city-val.html")
    assert ran.code == 0 and ran.err == "" and page.is_file()
    missed = int((result.first_hits != 0).sum())
    first, second, third = ran.out.splitlines()
    assert first.startswith(f"Method A on demo-city/val: {missed} of {result.queries} queries")
    assert second.startswith(f"Wrote {page} (") and third.endswith(page.absolute().as_uri())
    assert page.read_text("utf-8").count('src="data:image/jpeg;base64,') > 100


def test_json_is_one_document(vgbench: Vgbench) -> None:
    result = enter()
    ran = vgbench("report", "method-a", "--json", "-o", "pages", "--queries", 7, "--images", "none")
    document = ran.document
    page = Path(document["report"])
    assert page == Path("pages/method-a-demo-city-val.html")
    assert document == {
        "report": str(page), "name": "Method A", "dataset": "demo-city", "split": "val",
        "queries": result.queries, "listed": 7,
        "not_localized_at_1": int((result.first_hits != 0).sum()), "images": "none",
        "pictures": 0, "unreadable": [], "left_out": 0, "bytes": page.stat().st_size,
    }  # fmt: skip
    assert len(re.findall(r'<article class="query" id="q\d', page.read_text("utf-8"))) == 7


def test_descriptors_are_reported_on_without_being_entered(vgbench: Vgbench) -> None:
    result = enter()
    board = Path(os.environ["VGBENCH_ROOT"], "submissions")
    before = sorted(board.iterdir())
    document = vgbench("report", "rows.npy", "--json", "--images", "none").document
    assert document["not_localized_at_1"] == int((result.first_hits != 0).sum())
    assert document["report"] == "rows-demo-city-val.html"
    assert sorted(board.iterdir()) == before


def test_images_that_are_not_here_are_named_and_it_is_said(
    vgbench: Vgbench, city: Path, good_descriptors: Any
) -> None:
    submit(score(good_descriptors, load_dataset(city)), "mine")
    ran = vgbench("report", "mine", "-o", "mine.html")
    assert ran.code == 1 and "-d FOLDER" in ran.err and not Path("mine.html").exists()
    ran = vgbench("report", "mine", "-o", "mine.html", "-d", city, "--images", "link")
    assert ran.code == 0
    addresses = re.findall(r'src="(\./[^"]*)"', Path("mine.html").read_text("utf-8"))
    assert addresses and all("my%20city" in address for address in addresses)
    (next((city / "queries").iterdir())).unlink()
    ran = vgbench("report", "mine", "-d", city)
    assert ran.code == 2 and "other names than those that mine was evaluated on" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["method-b"], "Did you mean method-a"),
        (["method-a", "-o", "page.txt"], r"ends in \.html"),
        (["method-a", "--images", "inline"], "choose embed, link, none"),
        (["method-a", "--distance", "cosine"], "for descriptors"),
        (["method-a", "--queries", "0"], "queries"),
    ],
)
def test_what_cannot_be_done_is_bad_usage_and_leaves_nothing(
    vgbench: Vgbench, arguments: list[str], words: str
) -> None:
    enter()
    ran = vgbench("report", *arguments)
    assert ran.code == 2 and re.search(words, ran.err) and ran.out == ""
    assert [path.name for path in Path().iterdir()] == ["rows.npy"]


def test_an_error_is_a_document_too(vgbench: Vgbench) -> None:
    enter()
    ran = vgbench("report", "method-b", "--json")
    assert ran.code == 2 and ran.document["error"]["type"] == "UsageError"


def test_a_page_is_made_where_torch_does_not_exist(tmp_path: Path) -> None:
    import subprocess

    enter()
    code = (
        "import sys; sys.modules['torch'] = sys.modules['torchvision'] = None\n"
        "from vgbench.cli.main import run; run(['report', 'method-a'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "method-a-demo-city-val.html").is_file()
