"""What a pull request may change, decided on real git repositories."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vgbench.errors import BoardError, UsageError
from vgbench.leaderboard.proposals import Change, Proposal, parse_raw
from vgbench.leaderboard.pull_requests import review, verify_change
from vgbench.leaderboard.submission import Card, Entry, write_submission
from vgbench.leaderboard.withdrawing import withdraw

MakeEntry = Callable[..., Entry]


class Repository:
    """A board in a git repository: `main`, on which ann has one entry, and a branch of bob's."""

    def __init__(self, root: Path, make_entry: MakeEntry) -> None:
        self.root = root
        self.make_entry = make_entry
        self.top = root
        root.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.enter("theirs", seed=1)
        (root / "submissions" / "README.md").write_text("Entries.\n")
        (root / "submissions" / "study.csv").write_text("name,recall_1\na,28.3\nb,30.1\n")
        self.commit("ann")
        self.git("checkout", "-q", "-b", "proposal")

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.top, check=True, capture_output=True, text=True
        ).stdout

    def enter(self, name: str, seed: int = 0) -> Path:
        entry = self.make_entry(seed, dataset="elsewhere", status="unverified")
        return write_submission(Card(name, authors=name), [entry], self.root)

    def commit(self, who: str) -> None:
        self.git("add", "-f", "-A", ".", ":!*/leaderboard.parquet", ":!*.lock")
        name = ("-c", f"user.name={who}", "-c", f"user.email={who}@example.org")
        self.git(*name, "commit", "-q", "-m", "change", "--allow-empty")

    def review(self) -> tuple[str, str]:
        report = verify_change(self.root, "main")
        assert report.problems is not None and report.notes is not None
        self.report = report
        return "\n".join(report.problems), "\n".join(report.notes)


@pytest.fixture
def repository(
    tmp_path: Path, make_entry: MakeEntry, monkeypatch: pytest.MonkeyPatch
) -> Repository:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # set where a hook runs the tests
        monkeypatch.delenv(name, raising=False)
    return Repository(tmp_path / "board", make_entry)


def test_a_new_entry_may_be_added_and_is_verified(repository: Repository) -> None:
    repository.enter("mine")
    repository.commit("bob")
    problems, notes = repository.review()
    assert problems == ""
    assert "it adds mine" in notes
    assert [entry.submission for entry in repository.report.entries] == ["mine"]
    assert repository.report.ok


def test_nothing_changed_is_nothing_wrong(repository: Repository) -> None:
    report = verify_change(repository.root, "main")
    assert report.ok and report.entries == () and report.problems == ()


def test_an_edit_of_somebody_elses_entry_is_refused(repository: Repository) -> None:
    path = repository.root / "submissions" / "theirs" / "submission.json"
    path.write_text(path.read_text().replace('"device": "cpu"', '"device": "gpu"'))
    repository.commit("bob")
    problems, _ = repository.review()
    assert "submissions/theirs is an existing entry, which ann added" in problems
    assert "submission.json is changed" in problems
    assert "score" not in problems


def test_an_edit_of_ones_own_entry_is_refused_too(repository: Repository) -> None:
    (repository.root / "submissions" / "theirs" / "model.safetensors").write_text("weights")
    repository.commit("ann")
    assert "entries are never edited; submit again" in repository.review()[0]


def test_a_score_that_moves_is_named(repository: Repository) -> None:
    path = repository.root / "submissions" / "theirs" / "submission.json"
    document = json.loads(path.read_text())
    document["results"][0]["hits"]["1"] += 1
    path.write_text(json.dumps(document))
    repository.commit("ann")
    problems, _ = repository.review()
    assert "it moves an existing score, elsewhere/test R@1 from 5 to 6" in problems


def test_derived_files_are_left_to_main(repository: Repository) -> None:
    repository.enter("mine")
    (repository.root / "leaderboard" / "README.md").write_text("first: me\n")
    repository.git("add", "-f", "leaderboard")
    repository.commit("bob")
    problems, _ = repository.review()
    assert "leaderboard/README.md is derived" in problems
    assert "leaderboard/leaderboard.parquet is derived" in problems


def test_ones_own_entry_may_be_withdrawn_and_it_is_said(repository: Repository) -> None:
    withdraw("theirs", "trained on the test set \x1b[31m", repository.root)
    repository.commit("ann")
    problems, notes = repository.review()
    assert problems == ""
    assert "it withdraws theirs: trained on the test set [31m" in notes
    assert [entry.submission for entry in repository.report.entries] == ["theirs"]


def test_somebody_elses_entry_is_not_withdrawn(repository: Repository) -> None:
    withdraw("theirs", "worse than mine", repository.root)
    repository.commit("bob")
    assert "it would withdraw theirs, which ann added" in repository.review()[0]


def test_a_withdrawal_needs_a_reason_and_stays(repository: Repository) -> None:
    path = repository.root / "submissions" / "theirs" / "withdrawn.txt"
    path.write_text(" \n")
    repository.commit("ann")
    assert "should be a plain file with a reason" in repository.review()[0]
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--ff-only", "proposal")
    repository.git("checkout", "-q", "proposal")
    path.unlink()
    repository.commit("ann")
    assert "a withdrawal stays as it was written" in repository.review()[0]


def test_a_deleted_entry_is_refused_with_what_to_do_instead(repository: Repository) -> None:
    repository.git("rm", "-q", "-r", "submissions/theirs")
    repository.commit("ann")
    problems, _ = repository.review()
    assert "submissions/theirs is deleted" in problems
    assert "vgbench withdraw theirs --reason" in problems


def test_a_renamed_entry_is_a_deleted_one_and_a_new_one(repository: Repository) -> None:
    repository.git("mv", "submissions/theirs", "submissions/mine")
    repository.commit("bob")
    problems, notes = repository.review()
    assert "submissions/theirs is deleted" in problems
    assert "it adds mine" in notes
    [entry] = repository.report.entries
    assert entry.failed() and "schema" in entry.failed()  # its slug is not the folder's


def test_a_revision_supersedes_only_ones_own(repository: Repository) -> None:
    repository.enter("theirs", seed=2)
    repository.commit("ann")
    problems, notes = repository.review()
    assert problems == "" and "theirs-r2, which supersedes theirs" in notes
    repository.enter("theirs", seed=3)
    repository.commit("bob")
    # ann's commit is among them: whoever she works with may add it.
    assert repository.review()[0] == ""
    repository.git("reset", "-q", "--hard", "main")
    repository.enter("theirs", seed=4)
    repository.commit("bob")
    assert "it would supersede theirs, which ann added" in repository.review()[0]


def test_a_copy_is_the_new_entry_whatever_time_it_states(repository: Repository) -> None:
    repository.enter("mine", seed=1)
    path = repository.root / "submissions" / "mine" / "submission.json"
    document = json.loads(path.read_text())
    document["submitted"] = "2001-01-01T00:00:00Z"
    path.write_text(json.dumps(document))
    repository.commit("bob")
    repository.review()
    [entry] = repository.report.entries
    assert "copies" in entry.failed()


def test_published_numbers_may_be_added_and_not_changed(repository: Repository) -> None:
    table = repository.root / "submissions" / "study.csv"
    table.write_text(table.read_text() + "c,31.0\n")
    (repository.root / "submissions" / "more.csv").write_text("name,recall_1\nd,1.0\n")
    repository.commit("bob")
    problems, notes = repository.review()
    assert problems == ""
    assert "adds rows to submissions/study.csv" in notes and "more.csv" in notes
    table.write_text(table.read_text().replace("28.3", "98.3"))
    repository.commit("bob")
    assert "submissions/study.csv: 1 published number is changed" in repository.review()[0]


@pytest.mark.parametrize(
    "name",
    [
        "Größe",
        "東京",
        "a b",
        "-rf",
        "x\ny",
        "x\x1b[31m",
        "UPPER",
        "a--b",
        "con;id",
        "$(id)",
        "con",
        "x" * 61,
    ],
)
def test_hostile_and_foreign_names_are_refused_and_shown_harmlessly(
    repository: Repository, name: str
) -> None:
    from vgbench.leaderboard.findings_views import markdown, text

    folder = repository.root / "submissions" / name
    folder.mkdir()
    (folder / "submission.json").write_text("{}")
    repository.commit("bob")
    problems, _ = repository.review()
    assert "lower-case ASCII words" in problems
    assert not repository.report.ok
    for shown in (problems, text(repository.report), markdown(repository.report)):
        assert "\x1b" not in shown and "x\ny" not in shown


def test_names_that_are_no_utf_8_are_refused(repository: Repository) -> None:
    folder = os.fsencode(repository.root / "submissions") + b"/bad\xff"
    os.mkdir(folder)  # noqa: PTH102 - a name of bytes
    with open(folder + b"/submission.json", "wb") as file:  # noqa: PTH123
        file.write(b"{}")
    repository.commit("bob")
    assert "lower-case ASCII words" in repository.review()[0]


def test_links_programs_and_other_repositories_are_refused(repository: Repository) -> None:
    folder = repository.enter("mine")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "run.sh").write_text("id")
    (folder / "run.sh").chmod(0o755)
    repository.commit("bob")
    problems, _ = repository.review()
    assert "submissions/mine/link is a link" in problems
    assert "submissions/mine/run.sh is executable" in problems
    assert repository.report.entries[0].failed() == ["files"]


def test_a_stray_file_in_submissions_is_refused(repository: Repository) -> None:
    (repository.root / "submissions" / "mine.parquet").write_text("x")
    (repository.root / "submissions" / "linked.csv").symlink_to("/etc/passwd")
    repository.commit("bob")
    problems, _ = repository.review()
    assert "submissions/mine.parquet is not an entry" in problems
    assert "submissions/linked.csv is not an entry" in problems


def test_changes_elsewhere_are_left_to_a_person(repository: Repository) -> None:
    registry = repository.root / "vgbench" / "datasets" / "registry.toml"
    registry.parent.mkdir(parents=True)
    registry.write_text("schema = 1\n")
    repository.commit("bob")
    problems, notes = repository.review()
    assert problems == ""
    assert "also changes vgbench/datasets/registry.toml: a person should read that" in notes
    assert "what every entry is counted against" in notes
    workflow = repository.root / ".github" / "workflows" / "verify.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("on: push\n")
    repository.commit("bob")
    assert "what they say of it proves nothing" in repository.review()[1]


def test_what_is_not_committed_is_said(repository: Repository) -> None:
    repository.enter("mine")
    problems, notes = repository.review()
    assert problems == "" and "submissions/mine/ is not committed" in notes


def test_what_main_gained_meanwhile_is_not_the_proposals(repository: Repository) -> None:
    repository.enter("mine")
    repository.commit("bob")
    repository.git("checkout", "-q", "main")
    repository.enter("another", seed=5)
    repository.commit("cy")
    repository.git("checkout", "-q", "proposal")
    problems, notes = repository.review()
    assert problems == "" and "another" not in notes


def test_a_board_inside_a_larger_repository(
    tmp_path: Path, make_entry: MakeEntry, repository: Repository
) -> None:
    inner = repository.root / "boards" / "vpr"
    write_submission(Card("first"), [make_entry(7)], inner)
    repository.git("checkout", "-q", "main")
    repository.commit("ann")
    repository.git("checkout", "-q", "-B", "proposal")
    write_submission(Card("second"), [make_entry(8)], inner)
    (repository.root / "notes.txt").write_text("x")
    repository.commit("bob")
    report = verify_change(inner, "main")
    assert report.problems == ()
    assert "it adds second" in report.notes
    assert any("../../notes.txt" in note for note in report.notes or ())


def test_a_ref_that_is_none_and_a_folder_outside_git_are_said(
    repository: Repository, tmp_path: Path, make_entry: MakeEntry
) -> None:
    for ref in ("nothing", "--output=/tmp/x", ""):
        with pytest.raises(UsageError, match="knows no such commit"):
            verify_change(repository.root, ref)
    repository.git("checkout", "-q", "--orphan", "alone")
    repository.commit("bob")
    with pytest.raises(UsageError, match="no ancestor in common"):
        verify_change(repository.root, "main")
    with pytest.raises(BoardError, match="not in a git work tree"):
        verify_change(tmp_path / "elsewhere", "main")


def test_settings_of_the_repository_start_no_program(
    repository: Repository, tmp_path: Path
) -> None:
    marker = tmp_path / "started"
    for key in ("core.fsmonitor", "diff.external", "core.pager", "diff.x.textconv"):
        repository.git("config", key, f"touch {marker}")
    (repository.root / ".gitattributes").write_text("* diff=x\n")
    repository.enter("mine")
    repository.commit("bob")
    marker.unlink(missing_ok=True)
    repository.review()
    assert not marker.exists()


def test_the_decision_needs_no_repository() -> None:
    changes = parse_raw(
        ":000000 100644 0000 1111 A\0submissions/a/submission.json\0"
        ":100644 000000 1111 0000 D\0leaderboard/leaderboard.parquet\0"
    )
    assert changes[0] == Change("A", "submissions/a/submission.json", "000000", "100644")
    found = review(Proposal(changes))
    assert found.new == ["a"] and len(found.problems) == 1
