from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from vgbench.study.figures import _COLOURS, Line, line_chart, size_figure, study_figures
from vgbench.study.printed import printed_curves

SVG = "{http://www.w3.org/2000/svg}"


def _paths(text: str, kind: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(text)
    return [
        path
        for path in root.iter(f"{SVG}path")
        if kind in path.get("class", "").split() and path.find(f"{SVG}title") is not None
    ]


def _heights(path: ElementTree.Element) -> list[float]:
    return [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path.get("d", ""))]


def test_each_table_that_was_trained_has_a_figure_with_ours_over_the_printed(small: Any) -> None:
    figures = study_figures(small.study)
    assert list(figures) == ["table-1.svg", "table-4.svg"]
    assert len(_paths(figures["table-1.svg"], "line")) == 2
    assert len(_paths(figures["table-1.svg"], "printed")) == 2
    assert len(_paths(figures["table-4.svg"], "line")) == 1  # contrastive, which base-gem is
    assert len(_paths(figures["table-4.svg"], "printed")) == 4
    assert "measured on tiny-city/val" in figures["table-1.svg"]
    assert study_figures(small.study) == figures


def test_points_are_drawn_where_their_values_are(small: Any) -> None:
    figure = study_figures(small.study)["table-1.svg"]
    by_name = {path[0].text: _heights(path) for path in _paths(figure, "line")}
    by_name |= {path[0].text: _heights(path) for path in _paths(figure, "printed")}
    values: dict[str, list[float]] = {
        name: [entry["recall_1"] for entry in small.study.runs[name].curve]
        for name in ("base", "base-gem")
    }
    values["base, printed"] = [entry["recall_1"] for entry in printed_curves()["base"]]
    # Heights are one straight function of percent for all lines, falling as percent rises.
    pairs = [pair for name in values for pair in zip(values[name], by_name[name], strict=True)]
    (low, at_low), (high, at_high) = min(pairs), max(pairs)
    slope = (at_high - at_low) / (high - low)
    assert slope < 0
    for value, height in pairs:
        assert height == pytest.approx(at_low + slope * (value - low), abs=0.15)


def test_names_cannot_leave_their_element() -> None:
    text = line_chart("<b>&", "</svg>", [Line("<script>x</script>", 0, [(0, 1.0)])])
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert not list(root.iter(f"{SVG}script"))


def test_sizes_are_drawn_with_intervals(small: Any) -> None:
    one = small.study.runs["base"].on("tiny-city/val")
    group = [replace(one, image_size=size) for size in ("96x128", "48x64", "192x256")]
    text = size_figure("sizes", "note", {"l2": group, "cosine": group})
    root = ElementTree.fromstring(text)
    assert sum(path.get("class", "").startswith("range") for path in root.iter(f"{SVG}path")) == 6
    labels = [t.text for t in root.iter(f"{SVG}text")]
    assert [x for x in labels if x and "x" in x and x[0].isdigit()] == [
        "48x64",
        "96x128",
        "192x256",
    ]


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_stands_out_from_its_background_in_light_and_dark() -> None:
    for shade, ground in ((0, "#ffffff"), (1, "#0d1117")):
        for pair in _COLOURS:
            a, b = sorted((_luminance(pair[shade]), _luminance(ground)))
            assert (b + 0.05) / (a + 0.05) >= 4.5
