"""The git lines that propose an entry: typed as they are printed, they commit it and no more."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench.leaderboard.entry import Card, Entry
from vgbench.leaderboard.proposing import next_steps
from vgbench.leaderboard.pull_requests import verify_change
from vgbench.leaderboard.submission import write_submission


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def repository(board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with an empty `main`, somebody's name in its settings, and a remote."""
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\nname = a\nemail = a@example.org\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    (board / "leaderboard").mkdir(parents=True)
    _git(tmp_path, "init", "-q", "--bare", "origin.git")
    _git(board, "init", "-q")
    (board / ".gitignore").write_text("*.lock\n")
    _git(board, "add", ".gitignore")
    _git(board, "commit", "-q", "-m", "start")
    _git(board, "remote", "add", "origin", str(tmp_path / "origin.git"))
    monkeypatch.chdir(board)
    return board


def test_the_lines_as_printed_make_a_change_that_may_be_merged(
    repository: Path, submit: Callable[..., Path], make_entry: Callable[..., object]
) -> None:
    folder = submit("mine", make_entry(dataset="elsewhere", status="unverified"))
    lines = next_steps(folder, "add-mine", "Add mine; it's good")
    commands = [line.strip() for line in lines if line.strip().startswith("git ")]
    assert [command.split()[1] for command in commands] == ["checkout", "add", "commit", "push"]
    subprocess.run(["bash", "-e", "-c", "\n".join(commands)], check=True, cwd=repository)
    assert _git(repository, "log", "-1", "--format=%s").strip() == "Add mine; it's good"
    committed = _git(repository, "show", "--name-only", "--format=").splitlines()
    assert sorted(committed) == sorted(f"submissions/mine/{path.name}" for path in folder.iterdir())
    report = verify_change(repository, "main")
    assert report.ok, report.to_json()


def test_where_the_table_is_in_the_repository_the_lines_leave_a_clone_that_can_pull(
    repository: Path, submit: Callable[..., Path], make_entry: Callable[..., object], tmp_path: Path
) -> None:
    def entry(seed: int) -> object:
        return make_entry(seed, dataset="elsewhere", status="unverified")

    submit("first", entry(0))
    _git(repository, "add", "submissions", "leaderboard")
    _git(repository, "commit", "-q", "-m", "a board")
    _git(repository, "push", "-q", "-u", "origin", "main")
    folder = submit("mine", entry(1))
    assert _git(repository, "status", "--short", "leaderboard")
    commands = "\n".join(next_steps(folder, "add-mine", "Add mine")[1:])
    assert commands.endswith("git restore leaderboard  # before you pull: main makes it again")
    subprocess.run(["bash", "-e", "-c", commands], check=True, cwd=repository)
    # Meanwhile main has made the table again.
    _git(tmp_path, "clone", "-q", "origin.git", "elsewhere")
    (tmp_path / "elsewhere" / "leaderboard" / "leaderboard.parquet").write_bytes(b"another")
    _git(tmp_path / "elsewhere", "commit", "-q", "-a", "-m", "rebuilt")
    _git(tmp_path / "elsewhere", "push", "-q")
    _git(repository, "checkout", "-q", "main")
    _git(repository, "pull", "-q")
    assert _git(repository, "status", "--short") == ""


@pytest.mark.parametrize(
    "url",
    [
        "git@github.com:some/vgbench.git",
        "https://github.com/some/vgbench",
        "https://token:secret@github.com/some/vgbench.git",
        "ssh://git@github.com/some/vgbench.git",
    ],
)
def test_the_address_of_the_pull_request_is_given_without_a_token(
    repository: Path, submit: Callable[..., Path], url: str
) -> None:
    _git(repository, "remote", "set-url", "origin", url)
    text = "\n".join(next_steps(submit("mine"), "add-mine", "Add mine"))
    assert "https://github.com/some/vgbench/compare/add-mine?expand=1" in text
    assert "secret" not in text


def test_elsewhere_than_at_the_top_the_lines_begin_with_going_there(
    repository: Path, submit: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = submit("mine")
    monkeypatch.chdir(tmp_path)
    lines = next_steps(folder, "add-mine", "Add mine")
    assert lines[1].strip() == f"cd {repository.resolve()}"


def test_an_entry_that_would_supersede_or_withdraw_somebody_elses_is_not_proposed(
    repository: Path,
    submit: Callable[..., Path],
    make_entry: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def entry(seed: int) -> object:
        return make_entry(seed, dataset="elsewhere", status="unverified")

    first = submit("net", entry(0))
    _git(repository, "add", "submissions")
    _git(repository, "commit", "-q", "-m", "net", "--author", "Other <other@example.org>")
    second = submit("net", entry(1))
    for folder, verb in ((second, "superseded"), (first, "withdrawn")):
        said = next_steps(folder, "branch", "message")
        assert max(map(len, said)) <= 79
        text = " ".join(said)
        assert "refused: net was added by Other <other@example.org>" in text
        assert f"{verb} only by who added it (git says that you are a@example.org)" in text
        assert "git add" not in text and ("choose another name" in text) == (folder == second)
    # The pull request would have said the same; and Other may do it.
    _git(repository, "checkout", "-q", "-b", "branch")
    _git(repository, "add", "submissions")
    _git(repository, "commit", "-q", "-m", "net again")
    assert "it would supersede net" in " ".join(verify_change(repository, "main").problems or ())
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "Other@example.org")
    assert "git add submissions/net" in " ".join(next_steps(first, "branch", "message"))


def test_a_shallow_clone_accuses_nobody(
    repository: Path,
    submit: Callable[..., Path],
    make_entry: Callable[..., Entry],
    tmp_path: Path,
) -> None:
    submit("net", make_entry(dataset="elsewhere", status="unverified"))
    _git(repository, "add", "submissions")
    _git(repository, "commit", "-q", "-m", "net")
    _git(repository, "commit", "-q", "--allow-empty", "-m", "x", "--author", "O <o@example.org>")
    _git(repository, "push", "-q", "origin", "main")
    _git(tmp_path, "clone", "-q", "--depth", "1", f"file://{tmp_path}/origin.git", "shallow")
    shallow = tmp_path / "shallow"
    again = make_entry(1, dataset="elsewhere", status="unverified")
    folder = write_submission(Card("net"), [again], shallow)
    assert folder.name == "net-r2"
    assert "git add submissions/net-r2" in " ".join(next_steps(folder, "branch", "message"))


def test_outside_of_git_and_where_git_ignores_it_nothing_is_proposed(
    submit: Callable[..., Path], repository: Path, tmp_path: Path
) -> None:
    folder = submit("mine")
    (repository / ".gitignore").write_text("submissions/\n")
    assert next_steps(folder, "add-mine", "Add mine") == []
    assert next_steps(tmp_path, "add-mine", "Add mine") == []
    assert next_steps(tmp_path / "nowhere", "add-mine", "Add mine") == []
