"""`vgbench datasets`: what a person sees, and what a script gets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from vgbench.cli.datasets import EXIT_CODES

Vgbench = Callable[..., object]


def test_the_list_names_every_registered_dataset_and_fits_80_columns(vgbench: Vgbench) -> None:
    ran = vgbench("datasets", "list")
    assert ran.code == 0
    for name in ("sf-xs", "tokyo-xs", "gsv-xs", "demo-city"):
        assert name in ran.out
    assert max(map(len, ran.out.splitlines()[:-1])) <= 80
    listed = {dataset["id"]: dataset for dataset in vgbench("datasets", "list", "--json").document}
    assert not listed["tokyo-xs"]["installed"]


def test_a_dataset_is_imported_listed_described_and_verified(vgbench: Vgbench, city: Path) -> None:
    ran = vgbench("datasets", "import", "mine", city)
    assert ran.code == 0, ran.err
    assert "24 database images, 7 queries" in ran.out
    assert "mine" in vgbench("datasets", "list").out
    described = vgbench("datasets", "info", "mine", "--json").document
    assert described["splits"][0]["database"] == 24
    report = vgbench("datasets", "verify", "mine", "--deep", "--json")
    assert report.code == 5  # intact, and nothing is registered of it
    assert report.document["ok"] is True and report.document["status"] == "unknown"
    assert vgbench("datasets", "list").out.count("not pinned") == 1


def test_the_help_lists_commands_in_the_order_in_which_they_are_needed(vgbench: Vgbench) -> None:
    shown = [line.split()[1] for line in vgbench("datasets", "--help").out.splitlines()
             if line.startswith("│ ") and line[2] != " "]  # fmt: skip
    assert [name for name in shown if not name.startswith("-")] == [
        "list", "info", "download", "import", "add", "verify", "repair", "conditions", "path",
        "pin", "remove",
    ]  # fmt: skip


def test_what_is_not_installed_is_described_with_its_archive_and_editions(vgbench: Vgbench) -> None:
    told = vgbench("datasets", "info", "sf-xs").out
    assert "Archive: sf_xs.zip, 1.03 GB, on Google Drive\n" in told
    assert "Editions: full (512x512; test queries of many sizes); reduced (about 10 kB" in told
    told = " ".join(vgbench("datasets", "info", "gsv-xs").out.split())
    assert "on Google Drive (Its link was not public when last looked at)" in told


def test_paths_are_printed_in_the_order_of_rows(vgbench: Vgbench, city: Path) -> None:
    printed = vgbench("datasets", "info", city, "--paths").out.splitlines()
    expected = [
        f"{role}/{name}"
        for role in ("database", "queries")
        for name in sorted(os.listdir(city / role))
    ]
    assert printed == expected
    assert vgbench("datasets", "info", city, "--paths", "--json").document == expected


def test_exit_codes_tell_scripts_what_was_found_and_the_help_tells_them(
    vgbench: Vgbench, city: Path
) -> None:
    assert vgbench("datasets", "verify", "mine").code == 1
    assert vgbench("datasets", "verify", "demo-city/test").code == 2
    vgbench("datasets", "add", "mine", city)
    assert vgbench("datasets", "verify", "mine").code == 0
    registry = Path(os.environ["VGBENCH_DATA"]) / "registry.toml"
    registry.write_text(registry.read_text().replace("queries = 7", "queries = 8"))
    ran = vgbench("datasets", "verify", "mine")
    assert ran.code == 4 and "queries: 7, expected 8" in ran.out
    told = vgbench("datasets", "verify", "--help").out
    assert all(f" {code} {word}" in told for word, code in EXIT_CODES.items())


def test_everything_that_is_shown_of_a_dataset_fits_80_columns(
    vgbench: Vgbench, city: Path
) -> None:
    vgbench("datasets", "verify", "demo-city")
    for command in (("list",), ("info", "sf_xs"), ("info", "demo-city"), ("info", "tokyo_xs"),
                    ("verify", "demo_city")):  # fmt: skip
        ran = vgbench("datasets", *command)
        assert ran.code == 0, ran.err
        lines = [line for line in ran.out.splitlines() if os.environ["VGBENCH_DATA"] not in line]
        assert max(map(len, lines)) <= 80, max(lines, key=len)
    listed = vgbench("datasets", "list").out
    [row] = [line for line in listed.splitlines() if line.startswith("demo-city   test")]
    assert " installed " in row and " MB " in row and row.split()[-1].startswith("20")
    document = vgbench("datasets", "info", "demo_city", "--json").document
    assert document["verified"]["status"] == "verified" and document["bytes"] > 1e6


def test_verification_that_fails_names_the_images(vgbench: Vgbench, city: Path) -> None:
    vgbench("datasets", "import", "mine", city)
    folder = Path(os.environ["VGBENCH_DATA"]) / "mine" / "test"
    gone, changed = sorted((folder / "database").iterdir())[:2]
    gone.unlink()
    changed.chmod(0o644)
    changed.write_bytes(b"\xff\xd8\xff nothing else")
    ran = vgbench("datasets", "verify", "mine")
    assert ran.code == 3
    assert gone.name in ran.out
    assert changed.name in ran.out
    document = vgbench("datasets", "verify", "mine", "--json")
    assert document.code == 3
    assert document.document["ok"] is False and document.document["status"] == "damaged"


def test_an_unknown_name_lists_what_there_is(vgbench: Vgbench) -> None:
    ran = vgbench("datasets", "info", "nowhere")
    assert ran.code == 1
    assert "tokyo-xs" in ran.err


def test_a_dataset_of_ones_own_is_added_pinned_and_removed(
    vgbench: Vgbench, city: Path, tmp_path: Path
) -> None:
    added = vgbench("datasets", "add", "mine", city)
    assert added.code == 0
    assert "  test: 24 database images, 7 queries\n" in added.out
    folder = vgbench("datasets", "path", "mine").out.strip()
    assert Path(folder, "test", "queries").is_dir()
    ran = vgbench("datasets", "pin", "mine", "-o", tmp_path / "truth")
    assert ran.code == 0, ran.err
    assert "[mine.splits.test]\ndatabase = 24\nqueries = 7\nqueries_with_positive = 6\n" in ran.out
    assert [file.name for file in (tmp_path / "truth").iterdir()] == ["mine-test.parquet"]
    rows = vgbench("datasets", "conditions", "mine").out.splitlines()
    assert rows[0] == "query,condition" and len(rows) == 8
    (tmp_path / "mine.csv").write_text("\n".join(row + "fog" for row in rows[1:3]))
    assert "overridden" in vgbench("datasets", "conditions", "mine", tmp_path / "mine.csv").out
    ran = vgbench("datasets", "remove", "mine")
    assert ran.code == 0 and "kB freed" in ran.out
    assert vgbench("datasets", "path", "mine").code == 1


def test_what_pin_prints_makes_verify_say_verified(
    vgbench: Vgbench, city: Path, tmp_path: Path
) -> None:
    vgbench("datasets", "import", "mine", city)
    assert vgbench("datasets", "verify", "mine").code == 5
    printed = vgbench("datasets", "pin", "mine", "-o", tmp_path).out
    registry = Path(os.environ["VGBENCH_DATA"]) / "registry.toml"
    registry.write_text(f"schema = 1\n{printed}")
    ran = vgbench("datasets", "verify", "mine")
    assert ran.code == 0 and ran.out.count("(not pinned)") == 0
    assert vgbench("datasets", "pin", "mine", "-o", tmp_path).out == printed
    document = vgbench("datasets", "pin", "mine", "-o", tmp_path, "--json").document
    assert document["toml"] == printed.strip() and document["database_size"] == "64x48"
    assert document["splits"]["test"]["queries_with_positive"] == 6
    assert document["ground_truths"] == {"test": str(tmp_path / "mine-test.parquet")}


def test_a_damaged_dataset_is_repaired_and_what_is_extra_is_told(
    vgbench: Vgbench, city: Path
) -> None:
    archive = shutil.make_archive(str(city), "zip", city)
    vgbench("datasets", "import", "mine", archive)
    folder = Path(os.environ["VGBENCH_DATA"]) / "mine" / "test" / "database"
    gone, cut, copied, *_ = sorted(folder.iterdir())
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:100])
    ran = vgbench("datasets", "verify", "mine")
    assert ran.code == 3 and "vgbench datasets repair mine" in ran.out
    assert "No source is known" in vgbench("datasets", "repair", "mine").err
    ran = vgbench("datasets", "repair", "mine", "--from", archive)
    assert ran.code == 0 and "2 of 2 images repaired" in ran.out and archive in ran.out
    ran = vgbench("datasets", "repair", "mine")
    assert ran.code == 0 and "no image is missing" in ran.out
    extra = copied.with_name("@1.00@2.00@.jpg")
    shutil.copy(copied, extra)
    ran = vgbench("datasets", "repair", "mine")
    assert ran.code == 3 and "1 extra" in ran.out and extra.name in ran.out
    ran = vgbench("datasets", "repair", "mine", "--json")
    assert ran.code == 3 and ran.document["verification"]["splits"][0]["extra"]
