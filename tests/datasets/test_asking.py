from __future__ import annotations

import pytest

from vgbench.datasets.asking import OVERLAP, judge, plan
from vgbench.datasets.partial import Facts
from vgbench.datasets.patience import TransferError


class _Condition:
    label, if_range = "http://a/b.zip", True


@pytest.mark.parametrize(
    ("have", "facts", "start", "headers"),
    [
        (0, None, 0, {}),
        (50_000, None, 0, {}),
        (50_000, Facts(_Condition.label, encoded=True), 0, {}),
        (50_000, Facts("http://other", 90_000), 0, {}),
        (50_000, Facts(_Condition.label, 40_000), 0, {}),
        (50_000, Facts(_Condition.label, 90_000, '"1"'), 50_000,
         {"Range": "bytes=50000-", "If-Range": '"1"'}),
        (50_000, Facts(_Condition.label, None, 'W/"1"', "yesterday"), 50_000 - OVERLAP,
         {"Range": f"bytes={50_000 - OVERLAP}-", "If-Range": "yesterday"}),
        (9, Facts(_Condition.label), 0, {"Range": "bytes=0-"}),
    ],
)  # fmt: skip
def test_the_plan_asks_for_what_is_missing(
    have: int, facts: Facts | None, start: int, headers: dict[str, str]
) -> None:
    ask = plan(have, facts, _Condition())
    assert (ask.start, dict(ask.headers)) == (start, headers)
    assert not ask.complete and ask.start + ask.overlap in (0, have)


def test_a_complete_file_is_asked_for_no_more() -> None:
    assert plan(10, Facts(_Condition.label, 10), _Condition()).complete


def test_an_answer_is_judged_by_what_it_says_of_the_file() -> None:
    facts = Facts(_Condition.label, 90_000, '"1"', "yesterday")
    ask = plan(50_000, facts, _Condition())
    right = {"Content-Range": "bytes 50000-89999/90000", "ETag": '"1"'}

    def verdict(status: int, **changes: str) -> str:
        headers = right | {k.replace("_", "-"): v for k, v in changes.items()}
        return judge(ask, 50_000, facts, status, headers)

    assert verdict(206) == "append"
    assert verdict(206, Content_Range="bytes 50000-89999/*") == "append"
    assert verdict(206, Content_Range="bytes 50000-89999/90001") == "again"
    assert verdict(206, Content_Range="bytes 40000-89999/90000") == "again"
    assert verdict(206, Content_Range="nonsense") == "again"
    assert verdict(206, ETag='"2"') == "again"
    assert verdict(206, Last_Modified="today") == "again"
    assert verdict(206, Content_Encoding="gzip") == "again"
    assert verdict(200) == "begin"
    assert verdict(416, Content_Range="bytes */50000") == "complete"
    assert verdict(416, Content_Range="bytes */70000") == "again"
    for status in (204, 301, 401, 403, 404, 500):
        with pytest.raises(TransferError, match=str(status)):
            verdict(status)
