"""`vgbench submit`: what is taken, what is refused, and that refusing writes nothing."""

from __future__ import annotations

import os
import pickle
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vgbench.leaderboard import build

Vgbench = Callable[..., object]


def board() -> list[str]:
    """What there is on the board's disk, but for its lock."""
    root = Path(os.environ["VGBENCH_ROOT"])
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.suffix != ".lock")


@pytest.fixture
def good(tmp_path: Path, good_descriptors: NDArray[np.float32]) -> Path:
    np.save(tmp_path / "good.npy", good_descriptors)
    return tmp_path / "good.npy"


@pytest.fixture
def imported(vgbench: Vgbench, city: Path) -> None:
    ran = vgbench("datasets", "import", "my-city", city)
    assert ran.code == 0, ran.err


def test_a_file_is_recognised_by_its_number_of_rows(
    vgbench: Vgbench, imported: None, good: Path
) -> None:
    ran = vgbench("submit", good, "--json")
    assert ran.code == 0, ran.err
    document = ran.document
    assert document["submission"] == "good"
    assert document["status"] == "unverified"  # nobody has pinned this dataset
    assert document["results"][0]["dataset"] == "my-city"
    assert document["results"][0]["hits"] == {"1": 6, "5": 6, "10": 6, "20": 6}
    assert Path(document["results"][0]["predictions"]).is_file()


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_two_files_as_the_fields_tools_save_them(
    vgbench: Vgbench, city: Path, tmp_path: Path, good_descriptors: NDArray[np.float32], dtype: type
) -> None:
    folder = tmp_path / "2026-01-31_12-00-00"
    folder.mkdir()
    np.save(folder / "database_descriptors.npy", good_descriptors[:24].astype(dtype))
    np.save(folder / "queries_descriptors.npy", good_descriptors[24:].astype(dtype))
    ran = vgbench("submit", folder, "-d", city, "--name", "Two Files", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["submission"] == "two-files"
    assert ran.document["results"][0]["hits"]["1"] == 6
    ran = vgbench(
        "submit", "--database", folder / "database_descriptors.npy",
        "--queries", folder / "queries_descriptors.npy", "-d", city, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err


def test_the_same_name_again_is_a_revision(vgbench: Vgbench, city: Path, good: Path) -> None:
    slugs = [vgbench("submit", good, "-d", city, "--json").document["submission"] for _ in range(3)]
    assert slugs == ["good", "good-r2", "good-r3"]
    rows = vgbench("leaderboard", "--all", "--json").document
    assert {row["slug"] for row in rows} == set(slugs)
    assert [row["slug"] for row in vgbench("leaderboard", "--json").document] == ["good-r3"]


def test_a_revision_says_whose_place_it_takes_and_how_to_take_it_back(
    vgbench: Vgbench, city: Path, good: Path
) -> None:
    assert "revision" not in vgbench("submit", good, "-d", city).out
    said = vgbench("submit", good, "-d", city).out
    assert "It is a revision of good and takes its place." in said
    (line,) = [line for line in said.splitlines() if line.startswith("  vgbench withdraw")]
    assert vgbench(*shlex.split(line)[1:]).code == 0
    assert [row["slug"] for row in vgbench("leaderboard", "--json").document] == ["good"]


def test_two_submissions_at_once_both_appear(vgbench: Vgbench, city: Path, good: Path) -> None:
    vgbench("datasets", "info", city)  # scanned once, so that both come to the board together
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "vgbench", "submit", str(good), "-d", str(city)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    assert [process.wait(120) for process in both] == [0, 0]
    rows = vgbench("leaderboard", "--all", "--json").document
    assert {row["slug"] for row in rows} == {"good", "good-r2"}


def _refused(make: Callable[[NDArray[np.float32]], object]) -> Callable[[NDArray, Path], Path]:
    def write(rows: NDArray[np.float32], path: Path) -> Path:
        np.save(path, make(rows), allow_pickle=True)
        return path

    return write


def _with_row(value: float) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    def change(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        rows[5] = value
        return rows

    return change


def _truncated(rows: NDArray[np.float32], path: Path) -> Path:
    np.save(path, rows)
    path.write_bytes(path.read_bytes()[:-9])
    return path


def _pickled(rows: NDArray[np.float32], path: Path) -> Path:
    path.write_bytes(pickle.dumps(rows))
    return path


BAD = {
    "too few rows": (_refused(lambda rows: rows[:-1]), "30 rows"),
    "one dimension": (_refused(lambda rows: rows[:, 0]), r"shape \(31,\)"),
    "three dimensions": (_refused(lambda rows: rows[:, :, None]), r"shape \(31, 2, 1\)"),
    "integers": (_refused(lambda rows: rows.astype(np.int32)), "int32"),
    "objects": (_refused(lambda rows: rows.astype(object)), "pickle"),
    "a pickle": (_pickled, "pickle"),
    "not a number": (_refused(_with_row(np.nan)), "0548050.00"),
    "infinite": (_refused(_with_row(np.inf)), "0548050.00"),
    "a row of zeros": (_refused(_with_row(0)), "0548050.00"),
    "all rows equal": (_refused(lambda rows: np.ones_like(rows)), "equal"),
    "cut short": (_truncated, "truncated"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_descriptors_are_refused_and_nothing_is_written(
    vgbench: Vgbench, imported: None, tmp_path: Path, good_descriptors: NDArray, kind: str
) -> None:
    import re

    write, message = BAD[kind]
    ran = vgbench("submit", write(good_descriptors.copy(), tmp_path / "bad.npy"))
    assert ran.code == 1, ran
    assert re.search(message, ran.err), ran.err
    assert board() == []


def test_two_datasets_that_fit_are_named(vgbench: Vgbench, city: Path, good: Path) -> None:
    for name in ("one", "two"):
        assert vgbench("datasets", "import", name, city).code == 0
    ran = vgbench("submit", good)
    assert ran.code == 1
    assert "one/test" in ran.err
    assert "two/test" in ran.err
    assert "-d" in ran.err
    assert vgbench("submit", good, "-d", "two").code == 0


def test_rows_of_a_dataset_that_is_not_installed_are_recognised(
    vgbench: Vgbench, tmp_path: Path
) -> None:
    np.save(tmp_path / "tokyo.npy", np.zeros((13_086, 2), np.float32))
    ran = vgbench("submit", tmp_path / "tokyo.npy")
    assert ran.code == 1
    assert "tokyo-xs/test, which is not installed" in ran.err


def test_dimensions_that_differ_are_refused(vgbench: Vgbench, city: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "database.npy", np.ones((24, 3), np.float32))
    np.save(tmp_path / "queries.npy", np.ones((7, 2), np.float32))
    ran = vgbench("submit", tmp_path / "database.npy", tmp_path / "queries.npy", "-d", city)
    assert ran.code == 1
    assert "3" in ran.err
    assert "2" in ran.err


def test_a_board_that_cannot_be_written_is_said_and_left_alone(
    vgbench: Vgbench, city: Path, good: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    ran = vgbench("submit", good, "-d", city, "--root", tmp_path / "file")
    assert ran.code == 1
    assert "file" in ran.err
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_disk_that_is_full_is_said_and_nothing_stays(city: Path, good: Path) -> None:
    """A file-size limit below the table's size: the write really fails midway."""
    import resource
    import signal

    from vgbench.datasets import load_dataset

    load_dataset(city)  # its manifest is bigger than the limit and is not what is tested

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))

    done = subprocess.run(
        [sys.executable, "-B", "-m", "vgbench", "submit", str(good), "-d", str(city)],
        preexec_fn=limit,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert [name for name in board() if "good" in name or name.endswith(".parquet")] == []


def test_the_entry_is_verified_as_its_pull_request_will_be(
    vgbench: Vgbench, imported: None, good: Path
) -> None:
    ran = vgbench("submit", good, "--name", "mine")
    assert ran.code == 0, ran.err
    assert "✓ mine · unverified" in ran.out
    assert "✓ files, schema, digests" in ran.out
    assert "⚠ fingerprint: unknown" in ran.out
    checks = vgbench("submit", good, "--name", "mine", "--json").document["checks"]
    outcomes = {check["name"]: check["outcome"] for check in checks}
    assert outcomes["hits"] == "passed" and outcomes["copies"] == "warning"


def test_a_copy_of_somebody_elses_entry_is_said_and_exits_1(
    vgbench: Vgbench, imported: None, good: Path
) -> None:
    assert vgbench("submit", good, "--name", "theirs", "--authors", "A").code == 0
    ran = vgbench("submit", good, "--name", "mine", "--authors", "B")
    assert ran.code == 1
    assert "✗ copies: the predictions are those of theirs" in ran.out
    assert "would be refused" in ran.err and "mine" in ran.err


def test_in_a_git_work_tree_the_lines_that_propose_it_are_printed(
    vgbench: Vgbench, imported: None, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "a board"
    root.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    ran = vgbench("submit", good, "--name", "mine", "--root", root)
    assert ran.code == 0, ran.err
    for line in (
        f"cd '{root.resolve()}'",
        "git checkout -b add-mine",
        "git add submissions/mine",
        "git commit -m 'Add mine' -- submissions/mine",
        "git push -u origin add-mine",
    ):
        assert f"  {line}\n" in ran.out, line
    assert "git" not in vgbench("submit", good, "--name", "mine").out


def test_what_two_contributors_propose_by_the_printed_lines_never_conflicts(
    vgbench: Vgbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)

    def be(who: str) -> None:
        for role in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{role}_NAME", who)
            monkeypatch.setenv(f"GIT_{role}_EMAIL", f"{who}@example.org")

    def shell(lines: str, folder: Path) -> None:
        done = subprocess.run(
            ["bash", "-e", "-c", lines], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    main = tmp_path / "main"
    be("maintainer")
    for folder in ("submissions", "leaderboard"):
        (main / folder).mkdir(parents=True)
        (main / folder / "README.md").write_text("x\n")
    (main / ".gitignore").write_text(".vgbench.lock\n")
    build(main)
    shell("git init -q -b main && git add . && git commit -q -m start", main)
    shell("git clone -q --bare main origin.git", tmp_path)
    random = np.random.default_rng(0)
    for who in ("alice", "bob"):
        be(who)
        shell(f"git clone -q origin.git {who}", tmp_path)
        np.save(tmp_path / f"{who}.npy", random.random((252, 8), np.float32))
        ran = vgbench(
            "submit", tmp_path / f"{who}.npy", "-d", "demo-city/val", "--authors", who,
            "--root", tmp_path / who,
        )  # fmt: skip
        assert ran.code == 0, ran.err
        shell(ran.out.split("nothing of leaderboard/:\n")[1], tmp_path)
        ran = vgbench("verify", "--root", tmp_path / who, "--changed-since", "origin/main")
        assert ran.code == 0, ran.out
    be("maintainer")
    shell("git remote add origin ../origin.git && git fetch -q origin", main)
    for who in ("alice", "bob"):
        shell(f"git merge -q --no-edit origin/add-{who}", main)
    build(main)
    shell("git add leaderboard && git commit -q -m rebuilt && git push -q origin main", main)
    # Alice goes on from there, and may withdraw what is hers and nothing else.
    be("alice")
    shell("git checkout -q main && git pull -q", tmp_path / "alice")
    refused = vgbench("withdraw", "bob", "--reason", "x", "--root", tmp_path / "alice")
    assert "would be refused" in refused.out and "bob@example.org" in refused.out
    ran = vgbench("withdraw", "alice", "--reason", "a bug", "--root", tmp_path / "alice")
    shell(ran.out.split("nothing of leaderboard/:\n")[1], tmp_path)
    ran = vgbench("verify", "--root", tmp_path / "alice", "--changed-since", "origin/main")
    assert ran.code == 0 and "it withdraws alice: a bug" in ran.out, ran.out
    assert "submissions/bob/withdrawn.txt is not committed" in ran.out.replace("\n  ", " ")
