"""Start-up is a feature: what is imported when."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

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


def test_comparing_and_reading_the_board_need_no_torch() -> None:
    """Of a board that is empty, which both say; pandas is for `load_leaderboard` alone."""
    compare = """
import vgbench
try:
    vgbench.compare("one", "other")
except vgbench.VgbenchError as error:
    assert "no entry 'one'" in str(error), error
else:
    raise SystemExit("compared what is not there")
"""
    assert not modules_after(compare) & {"torch", "torchvision", "pandas"}
    loaded = modules_after("import vgbench; assert len(vgbench.load_leaderboard()) == 0")
    assert not loaded & {"torch", "torchvision"}


def test_functions_on_the_board_name_each_of_their_parameters_in_their_documentation() -> None:
    for value in (vgbench.compare, vgbench.load_leaderboard):
        for parameter in inspect.signature(value).parameters:
            assert re.search(rf"\b{parameter}\b", value.__doc__ or ""), (value, parameter)


def test_the_command_line_is_built_without_the_heavy_libraries() -> None:
    loaded = modules_after("import vgbench.cli.main")
    assert not loaded & {"torch", "torchvision", "pandas", "scipy", "pyarrow", "faiss", "PIL"}


def test_every_public_name_exists_and_the_list_is_sorted() -> None:
    assert vgbench.__all__ == sorted(vgbench.__all__)
    for name in vgbench.__all__:
        assert getattr(vgbench, name) is not None
    assert set(vgbench._HOMES) == set(vgbench.__all__)


ORDER = (
    {"errors", "durable", "places", "progress", "_version"}, {"datasets", "demo_city"}, {"models"},
    {"descriptors"}, {"retrieval"}, {"evaluation"}, {"leaderboard"}, {"entering"}, {"cli"},
)  # fmt: skip
"""The pipeline, left to right: nothing imports from the right of itself."""


def test_the_pipeline_runs_one_way() -> None:
    place = {name: index for index, names in enumerate(ORDER) for name in names}
    package = Path(vgbench.__file__).parent
    backwards = []
    for path in package.rglob("*.py"):
        own = path.relative_to(package).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vgbench."):
                other = str(node.module).split(".")[1]
                if own in place and place.get(other, -1) > place[own]:
                    backwards.append(f"{path.relative_to(package)}:{node.lineno} {node.module}")
    assert backwards == []
    assert {"datasets", "cli"} <= {path.name for path in package.iterdir()} & place.keys()


def test_a_function_named_like_a_module_stays_a_function() -> None:
    """A submodule takes its package's attribute of that name when it is imported."""
    loaded = (
        "from vgbench.demo_city import generate; import vgbench.demo_city.__main__;"
        "from vgbench.demo_city import generate; assert callable(generate), generate"
    )
    assert modules_after(loaded)
