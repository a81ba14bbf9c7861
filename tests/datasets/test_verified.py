from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vgbench.datasets.registry import load_registry
from vgbench.datasets.verified import (
    Verified,
    forget_record,
    read_record,
    record,
    record_path,
)

SPEC = load_registry()["tokyo-xs"]
PRINTS = {"test": ("a" * 64, "b" * 64)}


def test_a_record_is_read_back_and_forgotten(tmp_path: Path) -> None:
    assert read_record(tmp_path, "tokyo-xs", SPEC, PRINTS) is None
    record(tmp_path, "tokyo-xs", SPEC, PRINTS, "verified", deep=True)
    found = read_record(tmp_path, "tokyo-xs", SPEC, PRINTS)
    assert found is not None and found.status == "verified" and found.deep
    assert found.at.endswith("+00:00") and found.at.startswith(found.date)
    forget_record(tmp_path, "tokyo-xs")
    assert list(tmp_path.iterdir()) == []


def test_it_counts_no_more_when_images_or_pins_change(tmp_path: Path) -> None:
    record(tmp_path, "tokyo-xs", SPEC, PRINTS, "verified", deep=False)
    assert read_record(tmp_path, "tokyo-xs", SPEC, {"test": ("a" * 64, "c" * 64)}) is None
    assert read_record(tmp_path, "tokyo-xs", SPEC, PRINTS | {"val": PRINTS["test"]}) is None
    assert read_record(tmp_path, "tokyo-xs", None, PRINTS) is None
    test = replace(SPEC.splits["test"], content="b" * 64)
    assert read_record(tmp_path, "tokyo-xs", replace(SPEC, splits={"test": test}), PRINTS) is None
    renamed = replace(SPEC, title="Another title", terms="Other words.")
    assert isinstance(read_record(tmp_path, "tokyo-xs", renamed, PRINTS), Verified)


def test_a_failed_verification_takes_the_record_away(tmp_path: Path) -> None:
    record(tmp_path, "tokyo-xs", SPEC, PRINTS, "verified", deep=False)
    record(tmp_path, "tokyo-xs", SPEC, PRINTS, "damaged", deep=False)
    assert not record_path(tmp_path, "tokyo-xs").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', "null", "\xff"])
def test_what_is_no_record_counts_as_none(tmp_path: Path, text: str) -> None:
    record_path(tmp_path, "tokyo-xs").write_text(text, "latin-1")
    assert read_record(tmp_path, "tokyo-xs", SPEC, PRINTS) is None


def test_a_record_whose_status_is_a_failure_counts_as_none(tmp_path: Path) -> None:
    record(tmp_path, "tokyo-xs", SPEC, PRINTS, "verified", deep=False)
    path = record_path(tmp_path, "tokyo-xs")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "damaged"}))
    assert read_record(tmp_path, "tokyo-xs", SPEC, PRINTS) is None


def test_a_data_root_that_cannot_be_written_keeps_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    record(tmp_path / "file", "tokyo-xs", SPEC, PRINTS, "verified", deep=False)
