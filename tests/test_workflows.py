"""The workflows: least permissions, pinned actions, commands that exist, and their scripts run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")

REPOSITORY = Path(__file__).parents[1]
FOLDER = REPOSITORY / ".github" / "workflows"
WORKFLOWS = {path.stem: path for path in sorted(FOLDER.glob("*.yml"))}
HEAVY = {"torch", "torchvision"}

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def load(name: str) -> dict[str, Any]:
    document = yaml.safe_load(WORKFLOWS[name].read_text("utf-8"))
    # YAML 1.1 reads the key `on` as true.
    document["on"] = document.pop(True)
    return document


def jobs(name: str) -> list[dict[str, Any]]:
    return list(load(name)["jobs"].values())


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in jobs(name) for step in job["steps"]]


def script(name: str, title: str) -> str:
    [found] = [step["run"] for step in steps(name) if step.get("name") == title]
    return found


def test_the_three_workflows_are_there() -> None:
    assert set(WORKFLOWS) == {"board", "comment", "verify"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_action_is_pinned_to_a_commit_with_its_version_beside(name: str) -> None:
    for line in WORKFLOWS[name].read_text("utf-8").splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nothing_is_permitted_but_what_a_job_needs(name: str) -> None:
    expected = {
        "verify": {"contents": "read"},
        "comment": {"actions": "read", "contents": "read", "pull-requests": "write"},
        "board": {"contents": "write"},
    }
    assert load(name)["permissions"] == {}
    for job in jobs(name):
        assert job["permissions"] == expected[name]
        assert job["timeout-minutes"] <= 20


def test_what_a_pull_request_brings_is_never_run_with_a_token_that_writes() -> None:
    assert set(load("verify")["on"]) == {"pull_request"}
    assert set(load("comment")["on"]) == {"workflow_run"}
    assert load("comment")["on"]["workflow_run"]["workflows"] == [load("verify")["name"]]
    assert set(load("board")["on"]) == {"push"}
    assert load("board")["on"]["push"]["branches"] == ["main"]
    for path in WORKFLOWS.values():
        assert "pull_request_target" not in path.read_text("utf-8")
        assert "secrets." not in path.read_text("utf-8")
    for step in [*steps("verify"), *steps("comment")]:
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
    # The verifier is installed from the base branch; the proposal is a folder that is read.
    given = [step.get("with", {}) for step in steps("verify")]
    refs = {one["path"]: one["ref"] for one in given if "ref" in one}
    assert "base.sha" in refs["base"] and "head.sha" in refs["head"]
    assert "./base" in script("verify", "Install without torch")
    checkouts = [step for step in steps("comment") if "checkout" in step.get("uses", "")]
    assert len(checkouts) == 1 and "ref" not in checkouts[0]["with"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_script_has_anybodys_text_in_it(name: str) -> None:
    for step in steps(name):
        assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_command_and_option_exists(name: str) -> None:
    import typer

    from vgbench.cli.main import app

    top = typer.main.get_command(app)
    commands = [
        line.split("vgbench ", 1)[1].split(" >")[0].split(" |")[0].split()
        for step in steps(name)
        for line in step.get("run", "").splitlines()
        if line.strip().startswith("vgbench ")
    ]
    assert commands
    for words in commands:
        command: Any = top
        for word in words:
            if word.startswith("--"):
                options = {o for parameter in command.params for o in parameter.opts}
                assert word in options, words
            elif word in getattr(command, "commands", {}):
                command = command.commands[word]
        assert command is not top, words


@pytest.mark.parametrize("name", WORKFLOWS)
def test_what_is_installed_is_all_but_torch(name: str) -> None:
    """Runs the workflow's own lines against pyproject.toml."""
    code = script(name, "Install without torch").split("<<'PYTHON'\n")[1].split("\nPYTHON")[0]
    done = subprocess.run(
        [sys.executable, "-", str(REPOSITORY / "pyproject.toml")],
        input=code.replace("tomllib", tomllib.__name__),
        capture_output=True,
        text=True,
        check=True,
    )
    stated = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    needs = stated["project"]["dependencies"]
    kept = done.stdout.splitlines()
    left_out = [need for need in needs if need not in kept]
    assert {re.split(r"[^\w-]", need)[0] for need in left_out} == HEAVY
    assert set(kept) <= set(needs) and len(kept) == len(needs) - 2


@pytest.fixture
def proposal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `head`, a clone in which a branch adds an entry, as the job has it."""
    from vgbench.datasets.ground_truth import load_ground_truth

    truth = load_ground_truth("demo-city", "val")
    assert truth.pinned
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    head = tmp_path / "head"
    (head / "submissions").mkdir(parents=True)
    (head / "leaderboard").mkdir()
    (head / "submissions" / "README.md").write_text("x")
    _git(head, "init", "-q", "-b", "main")
    _git(head, "add", "submissions")
    _git(head, "commit", "-q", "-m", "main")
    _git(head, "checkout", "-q", "-b", "proposal")
    return tmp_path


def _git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def _run(code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does: bash -e, with vgbench on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, "PYTHONIOENCODING": "utf-8", **variables},
    )


def test_the_steps_verify_refuse_and_render_a_proposal(proposal: Path) -> None:
    import numpy as np

    from vgbench.datasets import load_dataset
    from vgbench.entering import submit
    from vgbench.evaluation import score

    head = proposal / "head"
    dataset = load_dataset("demo-city", "val")
    result = score(np.random.default_rng(0).random((len(dataset), 4)).astype("f4"), dataset)
    submit(result, "@everybody <img src=x> https://example.org", root=head)
    _git(head, "add", "submissions")
    _git(head, "commit", "-q", "-m", "entry")
    base = _git(head, "rev-parse", "main")
    summary = proposal / "summary.md"
    code = script("verify", "Verify")
    done = _run(code, proposal, BASE=base, GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((proposal / "report.json").read_text("utf-8"))
    assert report["ok"] and report["change"]["ok"]
    text = summary.read_text("utf-8")
    assert "demo-city/val" in text and "@everybody" not in text and "<img" not in text
    assert "https://example" not in text

    (proposal / "report").mkdir()
    (proposal / "report.json").rename(proposal / "report" / "report.json")
    done = _run(script("comment", "Render"), proposal)
    assert done.returncode == 0, done.stderr
    assert (proposal / "comment.md").read_text("utf-8") == text

    (head / "leaderboard" / "README.md").write_text("mine")
    _git(head, "add", "leaderboard/README.md")
    _git(head, "commit", "-q", "-m", "derived")
    done = _run(code, proposal, BASE=base, GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 1
    assert "leaderboard/README.md is derived" in done.stdout


def test_a_report_that_is_none_makes_no_comment(proposal: Path) -> None:
    (proposal / "report").mkdir()
    report = proposal / "report" / "report.json"
    for text in ("", "[]", '{"entries": [3]}', '{"entries": [], "change": {"problems": "x"}}'):
        report.write_text(text)
        assert _run(script("comment", "Render"), proposal).returncode == 1, text


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ("submissions/mine/submission.json", "the report"),
        (".github/workflows/verify.yml", "changes the workflows"),
        ("submissions/mine/.github/x", "the report"),
    ],
)
def test_a_comment_goes_to_the_request_with_that_commit_and_never_repeats_a_forged_report(
    proposal: Path, files: str, expected: str
) -> None:
    """The step itself, with a program in the place of `gh` that answers as GitHub does."""
    (proposal / "comment.md").write_text("the report\n")
    programs = proposal / "programs"
    programs.mkdir()
    answers = f"""#!/bin/bash
case "$*" in
  *pulls?state=open*) [ "$HEAD_SHA" = abc ] && echo 7 ;;
  *pulls/7/files*) echo '{files}' ;;
  *--edit-last*) exit 1 ;;
  "pr comment 7 "*) cp comment.md posted.md ;;
  *) exit 3 ;;
esac
"""
    (programs / "gh").write_text(answers)
    (programs / "gh").chmod(0o755)
    code = f'PATH="{programs}:$PATH"\n' + script("comment", "Comment")
    done = _run(code, proposal, HEAD_SHA="def", GITHUB_REPOSITORY="some/where")
    assert done.returncode == 0 and not (proposal / "posted.md").exists()
    done = _run(code, proposal, HEAD_SHA="abc", GITHUB_REPOSITORY="some/where")
    assert done.returncode == 0, done.stderr
    assert expected in (proposal / "posted.md").read_text()


def test_the_board_is_rebuilt_and_committed(proposal: Path) -> None:
    import numpy as np

    from vgbench.datasets import load_dataset
    from vgbench.entering import submit
    from vgbench.evaluation import score

    head = proposal / "head"
    dataset = load_dataset("demo-city", "val")
    result = score(np.random.default_rng(0).random((len(dataset), 4)).astype("f4"), dataset)
    submit(result, "mine", root=head)
    (head / "leaderboard" / "leaderboard.parquet").unlink()
    _git(head, "checkout", "-q", "main")
    _git(head, "add", "submissions")
    _git(head, "commit", "-q", "-m", "merged")
    origin = proposal / "origin.git"
    _git(proposal, "clone", "-q", "--bare", "head", "origin.git")
    _git(head, "remote", "add", "origin", str(origin))
    output = proposal / "output"
    done = _run(script("board", "Rebuild"), head, GITHUB_OUTPUT=str(output))
    assert done.returncode == 0 and output.read_text() == "wrong=0\n", done.stderr
    done = _run(script("board", "Commit"), head)
    assert done.returncode == 0, done.stderr
    kept = _git(origin, "ls-tree", "-r", "--name-only", "main").splitlines()
    assert {"leaderboard/leaderboard.parquet", "leaderboard/verified.json"} <= set(kept)
    assert [name for name in kept if "lock" in name or "tmp" in name] == []
