"""What a person sees of a result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vgbench.cli.printing import print_result
from vgbench.evaluation import score


@pytest.mark.parametrize("localized", [0.0, 0.4, 1.0])
def test_a_result_fits_80_columns_and_no_number_touches_another(
    city: Path,
    good_descriptors: NDArray[np.float32],
    capsys: pytest.CaptureFixture[str],
    localized: float,
) -> None:
    result = score(good_descriptors, city)
    ranks = np.where(np.arange(240) < localized * 240, 0, -1).astype(np.int32)
    result = replace(
        result,
        first_hits=ranks,
        dataset=replace(result.dataset, query_conditions=["overcast"] * 120 + ["day"] * 120),
        dimension=131_072,
        image_size="7 sizes, 240x320 to 1024x1280",
        seconds={"extraction": 12_345.6, "search": 123.45},
    )
    print_result(result)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    heading = lines[1]
    for row in lines[2:5]:
        label, *cells = row.replace("[", " [").split()
        assert label in ("all", "overcas", "day")
        assert len(cells) == 8
        for n in (1, 5, 10, 20):  # a number ends under its heading, whatever its digits
            assert row[heading.index(f"R@{n}") + 3] in "0123456789"
