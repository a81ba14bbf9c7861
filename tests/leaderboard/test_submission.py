from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vgbench.errors import SubmissionError
from vgbench.leaderboard.submission import (
    Card,
    Entry,
    find_same,
    installed_versions,
    list_submissions,
    read_all,
    read_submission,
    write_submission,
)
from vgbench.leaderboard.table import read_board

MakeEntry = Callable[..., Entry]
Submit = Callable[..., Path]


def test_a_submission_is_read_back_as_it_was_written(make_entry: MakeEntry, board: Path) -> None:
    card = Card(
        "CosPlace R18", "CosPlace", "G. Berton, C. Masone, B. Caputo", ("https://example.org/a",),
        "MIT", "SF-XL", "ResNet-18", "resnet18+l2+gem+fc512+l2", 11_400_000, "d" * 64, "512-d",
    )  # fmt: skip
    entries = [make_entry(0, conditions_derived=True), make_entry(1, split="val", content=None)]
    folder = write_submission(card, entries, board, "reproduced", {"numpy": "2.4", "torch": None})
    assert folder == board / "submissions" / "cosplace-r18"
    assert sorted(path.name for path in folder.iterdir()) == [
        "demo-city-test.parquet",
        "demo-city-val.parquet",
        "submission.json",
    ]
    found = read_submission(folder)
    assert found.card == card
    assert (found.slug, found.revision, found.status) == ("cosplace-r18", 1, "reproduced")
    assert found.versions == {"numpy": "2.4", "torch": None}
    assert found.digest == hashlib.sha256((folder / "submission.json").read_bytes()).hexdigest()
    for given_entry, entry in zip(entries, found.entries, strict=True):
        for field in fields(Entry):
            expected, value = getattr(given_entry, field.name), getattr(entry, field.name)
            if isinstance(expected, np.ndarray):
                assert value.dtype == expected.dtype
                np.testing.assert_array_equal(value, expected)
            elif field.name == "status":
                assert value == "reproduced"
            else:
                assert value == expected, field.name


def test_the_file_is_made_for_people_and_diffs(submit: Submit) -> None:
    text = (submit("Łódź net") / "submission.json").read_text("utf-8")
    assert text.endswith("}\n")
    assert text.startswith('{\n  "schema": 1,\n  "slug": "odz-net",\n  "name": "Łódź net",\n')
    assert '"hits": {\n        "1": 5,\n        "5": 7,' in text
    assert list(json.loads(text)) == [
        "schema", "slug", "name", "revision", "submitted", "method", "results", "versions",
    ]  # fmt: skip


def test_versions_are_recorded_without_importing_torch() -> None:
    versions = installed_versions()
    assert set(versions) == {"vgbench", "torch", "torchvision", "faiss", "numpy"}
    assert versions["numpy"] == np.__version__


def test_the_same_name_becomes_a_revision_and_nothing_is_overwritten(submit: Submit) -> None:
    first = submit("My net")
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    second, third = submit("my NET!"), submit("My net")
    assert [p.name for p in (first, second, third)] == ["my-net", "my-net-r2", "my-net-r3"]
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
    found = read_submission(second)
    assert (found.card.name, found.revision) == ("my NET!", 2)


def test_a_removed_revision_is_not_given_out_again_while_a_later_one_is_there(
    submit: Submit,
) -> None:
    submit("net")
    shutil.rmtree(submit("net"))
    assert submit("net").name == "net-r2"
    shutil.rmtree(submit("net").with_name("net-r2"))
    assert submit("net").name == "net-r4"


def test_two_results_never_share_a_predictions_file(make_entry: MakeEntry, submit: Submit) -> None:
    folder = submit(
        "net",
        make_entry(0, dataset="a-b", split="c"),
        make_entry(1, dataset="a", split="b-c"),
        make_entry(2, dataset="A", split="b-c"),
    )
    assert len(list(folder.glob("*.parquet"))) == 3
    rows = [entry.rows for entry in read_submission(folder).entries]
    for seed in range(3):
        np.testing.assert_array_equal(rows[seed], make_entry(seed).rows)


def test_entries_may_have_a_status_of_their_own(make_entry: MakeEntry, submit: Submit) -> None:
    folder = submit(
        "net", make_entry(), make_entry(1, dataset="mine", status="unverified"), status="reproduced"
    )
    found = read_submission(folder)
    assert [entry.status for entry in found.entries] == ["reproduced", "unverified"]
    assert found.status == "unverified"


def test_published_numbers_need_no_predictions(submit: Submit) -> None:
    published = Entry(
        "sf-xs", "test", None, None, 1, 25.0, None, 1000, None, None, 512,
        image_size="512x512", status="published", recalls={1: 70.9, 5: 80.0},
    )  # fmt: skip
    folder = submit("CosPlace paper", published)
    assert [path.name for path in folder.iterdir()] == ["submission.json"]
    (entry,) = read_submission(folder).entries
    assert entry.recalls == {1: 70.9, 5: 80.0}
    assert entry.rows.shape == (0, 0)


def test_contradictions_are_all_reported_and_nothing_is_written(
    make_entry: MakeEntry, board: Path
) -> None:
    entries = [make_entry(threshold=-1.0), make_entry(split="val", hits={1: 99})]
    with pytest.raises(SubmissionError) as error:
        write_submission(Card("x", links=["ftp://x"]), entries, board)
    for part in ("link 'ftp://x'", "demo-city/test: threshold is -1.0", "hits at 1 are 99"):
        assert part in str(error.value)
    assert not board.exists()


def test_text_is_kept_clean(submit: Submit, nasty: str) -> None:
    folder = submit(nasty, notes="a\x07\nb")
    text = (folder / "submission.json").read_text("utf-8")
    assert "\\u001b" not in text
    assert "\u202e" not in text
    card = read_submission(folder).card
    assert card.name == "<script>alert(1)</script>[/bold][31m|`x`](javascript:x) next"
    assert card.notes == "a b"


# --- what a stranger may have changed ---------------------------------------------------------


def _edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> str:
    path = folder / "submission.json"
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(SubmissionError) as error:
        read_submission(folder)
    assert folder.name in str(error.value)
    return str(error.value)


def test_a_changed_prediction_is_found_by_its_digest(make_entry: MakeEntry, submit: Submit) -> None:
    from vgbench.leaderboard.predictions import encode_predictions

    folder = submit("net")
    entry = make_entry()
    rows, distances, paths = entry.rows.copy(), entry.distances.copy(), list(entry.query_paths)
    rows[0, [0, 1]] = rows[0, [1, 0]]
    distances[0, 0] /= 2
    paths[3] = "queries/@0003@1@.jpg"
    for changed, what in (
        ((entry.query_paths, rows, entry.distances), "database rows"),
        ((entry.query_paths, entry.rows, distances), "distances"),
        ((paths, entry.rows, entry.distances), "query names"),
        ((entry.query_paths, entry.rows[:, :9], entry.distances[:, :9]), "number of predictions"),
    ):
        (folder / "demo-city-test.parquet").write_bytes(encode_predictions(*changed))
        with pytest.raises(SubmissionError, match=f"{what}.*was changed after"):
            read_submission(folder)


def test_a_better_number_than_the_queries_allow_is_refused(submit: Submit) -> None:
    def change(document: dict[str, Any]) -> None:
        document["results"][0]["hits"]["1"] = 12

    assert "hits at 1 are 12" in _edit(submit("net"), change)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), 2, "newer vgbench .schema 2; this one reads up to 1."),
        (("schema",), "1", "schema should be a whole number"),
        (("schema",), 0, "schema version"),
        (("slug",), "other", "is called 'net', and its slug is 'other'"),
        (("slug",), "../net", "slug should be"),
        (("name",), None, "name is missing"),
        (("name",), 5, "name should be a string"),
        (("revision",), 2, "does not end in it"),
        (("submitted",), "yesterday", "submitted is not a time"),
        (("method",), [], "method should be an object"),
        (("method", "parameters"), "many", "method.parameters should be a whole number"),
        (("method", "links"), ["javascript:alert(1)"], "not a plain http"),
        (("method", "links"), [1], "list of strings"),
        (("results",), [], "there are no results"),
        (("results",), {}, "results should be a list"),
        (("results", 0), 7, r"results\[0\] should be an object"),
        (("results", 0, "queries"), True, r"results\[0\].queries should be a whole number"),
        (("results", 0, "queries"), 11, "11 queries"),
        (("results", 0, "database"), 5, "20 predictions per query from 5"),
        (("results", 0, "status"), "published", "published result needs|recalls is missing"),
        (("results", 0, "status"), "certified", "status is 'certified'"),
        (("results", 0, "hits"), {"1": 5.5}, "whole number"),
        (("results", 0, "hits", "one"), 5, "'one' should be a number of predictions"),
        (("results", 0, "predictions"), None, "predictions is missing"),
        (("results", 0, "predictions", "file"), "../../x.parquet", "not the name of a .parquet"),
        (("results", 0, "predictions", "file"), "/etc/passwd", "not the name of a .parquet"),
        (("results", 0, "predictions", "file"), "gone.parquet", "gone.parquet is missing"),
        (("results", 0, "predictions", "top"), 10, "number of predictions .20, not 10"),
        (("results", 0, "conditions", "day", "queries"), 99, "the split only 12"),
        (("results", 0, "seconds", "search"), 1e400, "cannot be read|too large"),
        (("results", 0, "distance"), "l3", "distance is 'l3'"),
    ],
)
def test_each_tampered_field_is_found(
    submit: Submit, path: tuple[Any, ...], value: Any, message: str
) -> None:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    error = _edit(submit("net"), change)
    import re

    assert re.search(message, error), error


def test_a_result_that_is_there_twice_is_refused(submit: Submit) -> None:
    error = _edit(submit("net"), lambda d: d["results"].append(d["results"][0]))
    assert "same predictions file" in error


def test_missing_and_linked_files_are_refused(submit: Submit, tmp_path: Path) -> None:
    folder = submit("net")
    text = folder / "submission.json"
    kept = tmp_path / "kept.json"
    text.rename(kept)
    with pytest.raises(SubmissionError, match=r"submission\.json is missing"):
        read_submission(folder)
    text.symlink_to(kept)
    with pytest.raises(SubmissionError, match="not a plain file"):
        read_submission(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 99) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_change_of_the_json_gives_a_submission_or_an_error_of_ours(
    tmp_path: Path, make_entry: MakeEntry, data: st.DataObject
) -> None:
    folder = tmp_path / "fuzzed" / "submissions" / "net"
    if not folder.exists():
        write_submission(Card("net"), [make_entry()], tmp_path / "fuzzed")
        (folder / "kept.json").write_bytes((folder / "submission.json").read_bytes())
    document = json.loads((folder / "kept.json").read_text("utf-8"))
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(JSON)
        break
    (folder / "submission.json").write_text(json.dumps(document), "utf-8")
    found, problems = read_all(tmp_path / "fuzzed")
    assert len(found) + len(problems) == 1
    rows = read_board(tmp_path / "fuzzed", heal=False).rows
    assert len(rows) == len(found)


# --- the whole board --------------------------------------------------------------------------


def test_listing_passes_over_what_is_no_submission_and_tells_of_what_is_broken(
    submit: Submit, board: Path
) -> None:
    submit("b")
    submit("a")
    parent = board / "submissions"
    (parent / "README.md").write_text("hello")
    (parent / ".vgbench-tmp-abc").mkdir()
    (parent / "empty").mkdir()
    (parent / "linked").symlink_to(parent / "a")
    (parent / "Not A Slug").mkdir()
    assert [found.slug for found in list_submissions(board)] == ["a", "b"]
    assert sorted(read_all(board)[1]) == ["Not A Slug", "empty", "linked"]
    assert list_submissions(board / "nowhere") == []


def test_the_same_predictions_of_the_same_weights_are_recognised(
    make_entry: MakeEntry, submit: Submit, board: Path
) -> None:
    submit("other", make_entry(5))
    submit("net", make_entry(0), make_entry(1, split="val"), weights_digest="d" * 64)
    entries = [make_entry(1, split="val"), make_entry(0)]
    card = Card("another name", weights_digest="d" * 64)
    found = find_same(card, entries, board)
    assert found is not None
    assert found.slug == "net"
    assert find_same(replace(card, weights_digest=None), entries, board) is None
    assert find_same(card, entries[:1], board) is None
    assert find_same(card, [entries[0], make_entry(2)], board) is None
    assert find_same(card, [entries[0], make_entry(0, distance="cosine")], board) is None


def test_submitting_and_reading_import_neither_torch_nor_pandas_nor_scipy(board: Path) -> None:
    code = """
import sys
from pathlib import Path
import numpy as np
from vgbench.leaderboard.submission import Card, Entry, write_submission, list_submissions
entry = Entry("a", "test", "a" * 64, "b" * 64, 1, 25.0, 3, 2, 0, "l2", 4, hits={1: 1},
              query_paths=["queries/1.jpg", "queries/2.jpg"],
              rows=np.array([[0, 1, 2], [2, 1, 0]], np.int32),
              distances=np.array([[0, 1, 2], [0, 1, 2]], np.float32))
write_submission(Card("net"), [entry], Path(sys.argv[1]))
assert len(list_submissions(Path(sys.argv[1]))) == 1
heavy = {"torch", "pandas", "scipy", "faiss", "rich", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code, str(board)], check=True)
