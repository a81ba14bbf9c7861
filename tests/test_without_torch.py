"""Everything but making descriptors with a network works where torch does not exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[1]

ABSENT = (
    "torch",
    "torchvision",
    "torchmetrics",
    "lightning",
    "lightning_fabric",
    "pytorch_lightning",
    "pytorch_metric_learning",
    "tensorboard",
)

BLOCKER = f"""
import sys

ABSENT = {ABSENT!r}


class Without:
    'A finder of modules and distributions that does not have these packages.'

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        absent = name.partition('.')[0] in ABSENT
        return None if absent else self.finder.find_spec(name, path, target)

    def find_distributions(self, context):
        absent = (context.name or '').replace('-', '_') in ABSENT
        found = getattr(self.finder, 'find_distributions', lambda context: [])
        return [] if absent else found(context)


sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""
"""What Python runs at its start: from then on these packages are as if never installed."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def without(tmp_path: Path) -> Run:
    """Run `python ARGUMENTS…` in an environment where torch is absent."""
    place = tmp_path / "blocker"
    place.mkdir()
    (place / "sitecustomize.py").write_text(BLOCKER)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(place)},
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture
def descriptors(tmp_path: Path) -> list[Path]:
    """Two arrays for demo-city's val split: 180 database images and 72 queries."""
    files = []
    for seed in (0, 1):
        rows = np.random.default_rng(seed).random((252, 8)).astype(np.float32)
        files.append(tmp_path / f"random-{seed}.npy")
        np.save(files[-1], rows)
    return files


def test_torch_is_really_absent_here(without: Run) -> None:
    code = """
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

for name in ABSENT:
    assert find_spec(name) is None, name
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        assert error.name == name
    else:
        raise SystemExit(f"{name} is there")
try:
    version("torch")
except PackageNotFoundError:
    pass
else:
    raise SystemExit("torch is a distribution here")
import numpy, pyarrow, faiss
"""
    assert without("-c", f"ABSENT = {ABSENT!r}\n{code}").returncode == 0


def _commands(*under: str) -> set[str]:
    import typer

    from vgbench.cli.main import app

    command: Any = typer.main.get_command(app)
    for name in under:
        command = command.commands[name]
    return set(command.commands)


def _exercise(run: Run, files: list[Path]) -> None:
    """The commands that need no network, one after the other, and what each gives."""

    def vgbench(*arguments: object, code: int = 0) -> str:
        done = run("-m", "vgbench", *arguments)
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    folder = files[0].parent
    board = ("--root", folder / "board")
    slugs = []
    for file in files:
        printed = vgbench("submit", file, "-d", "demo-city/val", *board, "--json")
        document = json.loads(printed)
        assert document["status"] == "verified"
        assert {check["outcome"] for check in document["checks"]} == {"passed"}
        slugs.append(document["submission"])
    assert json.loads(vgbench("verify", *board, "--json"))["ok"]
    assert vgbench("verify", *board, "--format", "markdown", "--record").startswith("### ✓")
    rows = json.loads(vgbench("leaderboard", *board, "--json"))
    assert {row["slug"] for row in rows} == set(slugs)
    for form in ("table", "markdown", "csv", "latex"):
        assert slugs[0] in vgbench("leaderboard", *board, "--format", form)
    (folder / "board" / "leaderboard" / "leaderboard.parquet").unlink()
    vgbench("leaderboard", *board, "build")
    assert (folder / "board" / "leaderboard" / "leaderboard.parquet").is_file()
    vgbench("leaderboard", *board, "site")
    assert slugs[0] in (folder / "board" / "leaderboard" / "index.html").read_text("utf-8")
    vgbench("datasets", "list")
    page = folder / "compared.html"
    found = json.loads(vgbench("compare", *slugs, *board, "--html", page, "--json"))
    assert found["verdict"] in page.read_text("utf-8")
    page = folder / "report.html"
    for evaluation in (slugs[0], files[1]):  # an entry, and descriptors that are not entered
        vgbench("report", evaluation, *board, "-d", "demo-city/val", "-o", page)
        assert "<html" in page.read_text("utf-8")
        page.unlink()
    vgbench("withdraw", slugs[0], "--reason", "made of random numbers", *board)
    rows = json.loads(vgbench("leaderboard", *board, "--json"))
    assert [row["slug"] for row in rows] == slugs[1:]
    vgbench("evaluate", "thumbnail", "-d", "demo-city/val", "--no-submit")
    refused = vgbench("evaluate", "reference", "-d", "demo-city/val", *board, "--json", code=1)
    assert "pip install torch torchvision" in json.loads(refused)["error"]["message"]


PYTHON = """
import sys
import vgbench

one, other = sys.argv[1:]
dataset = vgbench.load_dataset("demo-city", "val")
results = []
for file in (one, other):
    results.append(vgbench.score(vgbench.read_descriptors([file]).split(dataset), dataset))
    assert vgbench.submit(results[-1], "mine").status == "verified"
assert vgbench.compare(*results).to_json()["results"] == (
    vgbench.compare("mine", "mine-r2").to_json()["results"]
)
assert vgbench.load_leaderboard().slug.tolist() == ["mine", "mine-r2"]
assert "torch" not in sys.modules
"""


def test_the_python_interface_works_without_torch(without: Run, descriptors: list[Path]) -> None:
    done = without("-c", PYTHON, *descriptors)
    assert done.returncode == 0, done.stderr


def test_submit_verify_compare_report_and_leaderboard_work_without_torch(
    without: Run, descriptors: list[Path]
) -> None:
    _exercise(without, descriptors)


def test_every_help_is_printed_without_torch(without: Run) -> None:
    for command in sorted(_commands()):
        assert without("-m", "vgbench", command, "--help").returncode == 0, command


def test_running_weights_without_torch_is_a_warning_that_says_so(
    without: Run, tmp_path: Path
) -> None:
    """An entry that says `reproduced`, made here, verified where there is no torch."""
    import hashlib

    from vgbench.datasets import load_dataset
    from vgbench.entering import submit
    from vgbench.evaluation import ModelCard, score
    from vgbench.models.included import reference_file

    dataset = load_dataset("demo-city", "val")
    rows = np.random.default_rng(3).random((252, 8)).astype(np.float32)
    digest = hashlib.sha256(reference_file().read_bytes()).hexdigest()
    result = score(rows, dataset)
    claimed = ModelCard(weights_digest=digest, included=True)
    object.__setattr__(result, "model", claimed)
    assert submit(result, "claimed").status == "reproduced"
    done = without("-m", "vgbench", "verify", "--reproduce", "--json")
    assert done.returncode == 0, done.stderr
    [entry] = json.loads(done.stdout)["entries"]
    [check] = [check for check in entry["checks"] if check["name"] == "reproduced"]
    assert check["outcome"] == "warning"
    assert "torch and torchvision are not installed" in check["message"]


@pytest.mark.slow
def test_a_real_environment_with_the_light_dependencies_runs_the_commands(
    tmp_path: Path, descriptors: list[Path]
) -> None:
    """As the workflows install it: every dependency but torch and torchvision, then vgbench."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    stated = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    light = [n for n in stated["project"]["dependencies"] if not re.match(r"torch(vision)?\b", n)]
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *light], check=True)
    subprocess.run([*pip, "--no-deps", str(REPOSITORY)], check=True)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )

    code = "import importlib.util as u; raise SystemExit(bool(u.find_spec('torch')))"
    assert run("-c", code).returncode == 0
    _exercise(run, descriptors)
