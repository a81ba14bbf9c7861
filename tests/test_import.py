"""Start-up is a feature: what is imported when."""

from __future__ import annotations

import subprocess
import sys

import vgbench


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after running `code`."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport sys; print(*sys.modules, file=sys.stderr)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


def test_import_vgbench_imports_neither_torch_nor_pandas() -> None:
    loaded = modules_after("import vgbench")
    assert not loaded & {"torch", "torchvision", "pandas", "scipy", "pyarrow", "faiss", "PIL"}


def test_using_datasets_and_scores_does_not_import_torch_or_pandas() -> None:
    loaded = modules_after("import vgbench; vgbench.load_dataset, vgbench.score, vgbench.submit")
    assert not loaded & {"torch", "torchvision", "pandas", "scipy"}


def test_the_command_line_is_built_without_the_heavy_libraries() -> None:
    loaded = modules_after("import vgbench.cli.main")
    assert not loaded & {"torch", "torchvision", "pandas", "scipy", "pyarrow", "faiss", "PIL"}


def test_every_public_name_exists_and_the_list_is_sorted() -> None:
    assert vgbench.__all__ == sorted(vgbench.__all__)
    for name in vgbench.__all__:
        assert getattr(vgbench, name) is not None
    assert set(vgbench._HOMES) == set(vgbench.__all__)
