"""What a comparison of two methods is: counts, exact tests, places, and a verdict, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from vgbench.leaderboard.opponents import Opponent, Outcomes
from vgbench.leaderboard.ranking import Key
from vgbench.retrieval.statistics import percent_interval

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
"""Adjusted p-values below this are called differences."""


class Counts(NamedTuple):
    """Queries by which of the two methods localizes them at N."""

    only_a: int
    only_b: int
    both: int
    neither: int

    @property
    def queries(self) -> int:
        """All of them."""
        return sum(self)

    @property
    def hits(self) -> tuple[int, int]:
        """Queries that A, and that B, localizes."""
        return self.both + self.only_a, self.both + self.only_b


@dataclass(frozen=True)
class PairedTest:
    """The exact McNemar test of the two on some queries.

    Attributes
    ----------
    counts
        Queries by who localizes them.
    p_value, p_by_place
        By query, and by place: where several queries are of one place, their outcomes hang
        together, and the test by query is surer than it should be.
    p_adjusted, p_by_place_adjusted
        By Holm over the family of tests that the comparison shows.
    """

    counts: Counts
    p_value: float
    p_by_place: float
    p_adjusted: float = 1.0
    p_by_place_adjusted: float = 1.0

    @property
    def p_shown(self) -> float:
        """The larger of the adjusted p-values, which a claim rests on."""
        return max(self.p_adjusted, self.p_by_place_adjusted)

    @property
    def difference(self) -> float:
        """Recall of B less that of A, percentage points."""
        return 100 * (self.counts.only_b - self.counts.only_a) / self.counts.queries

    @property
    def better(self) -> str | None:
        """`"a"` or `"b"`; None where either test, by query or by place, cannot tell."""
        if self.p_shown >= LEVEL:
            return None
        return "a" if self.counts.only_a > self.counts.only_b else "b"

    def to_json(self) -> dict[str, Any]:
        """Counts, p-values, and the recalls with their 95 % Wilson intervals in percent."""
        of_a, of_b = (_recall(count, self.counts.queries) for count in self.counts.hits)
        return {
            "queries": self.counts.queries,
            **self.counts._asdict(),
            "p_value": self.p_value,
            "p_adjusted": self.p_adjusted,
            "p_by_place": self.p_by_place,
            "p_by_place_adjusted": self.p_by_place_adjusted,
            "better": self.better,
            "recall_a": of_a[0],
            "interval_a": of_a[1],
            "recall_b": of_b[0],
            "interval_b": of_b[1],
            "difference": round(self.difference, 4),
        }


class PlaceDifference(NamedTuple):
    """A place where the two differ: its mean easting and northing in metres, and its queries.

    `rows` are the queries' numbers in the dataset's order.
    """

    easting: float
    northing: float
    queries: int
    only_a: int
    only_b: int
    rows: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """The place with positions to the centimetre."""
        rounded = {"easting": round(self.easting, 2), "northing": round(self.northing, 2)}
        return self._asdict() | rounded | {"rows": list(self.rows)}


@dataclass(frozen=True)
class Compared:
    """The two methods on one dataset and split at one N.

    Attributes
    ----------
    key
        What both share.
    n
        The N of recall@N.
    test
        On all queries.
    conditions
        The same by condition; empty where none is known.
    places
        Where they differ, the largest net difference first; empty where positions are unknown.
    place_count
        All places, those without a difference among them; queries where positions are unknown.
    difference_interval
        Of recall of B less that of A, percentage points: the 95 % percentile interval of a
        bootstrap over places.
    """

    key: Key
    n: int
    test: PairedTest
    conditions: Mapping[str, PairedTest] = field(default_factory=dict)
    places: tuple[PlaceDifference, ...] = ()
    place_count: int = 0
    difference_interval: tuple[float, float] = (float("nan"), float("nan"))

    @property
    def dataset(self) -> str:
        """The dataset and split, as they are typed."""
        return f"{self.key.dataset}/{self.key.split}"

    def to_json(self) -> dict[str, Any]:
        """One item of the document's `results`."""
        return {
            "dataset": self.key.dataset,
            "split": self.key.split,
            "fingerprint": self.key.ground_truth,
            "n": self.n,
            **self.test.to_json(),
            "difference_interval": [round(end, 4) for end in self.difference_interval],
            "place_count": self.place_count,
            "conditions": {name: test.to_json() for name, test in self.conditions.items()},
            "places": [place.to_json() for place in self.places],
        }


@dataclass(frozen=True)
class MeanRecall:
    """Mean recalls at one N over several datasets, in percent, with 95 % bootstrap intervals.

    Datasets weigh the same; their places are resampled, for both methods alike.
    """

    n: int
    datasets: tuple[str, ...]
    recall: tuple[float, float]
    intervals: tuple[tuple[float, float], tuple[float, float]]
    difference: tuple[float, float, float]

    def to_json(self) -> dict[str, Any]:
        """One item of the document's `means`."""
        found: dict[str, Any] = {"n": self.n, "datasets": list(self.datasets)}
        for side, recall, interval in zip("ab", self.recall, self.intervals, strict=True):
            found[f"recall_{side}"] = round(recall, 4)
            found[f"interval_{side}"] = [round(end, 4) for end in interval]
        difference, low, high = (round(value, 4) for value in self.difference)
        return found | {"difference": difference, "difference_interval": [low, high]}


class Skipped(NamedTuple):
    """A dataset and split that the two cannot be compared on, and why."""

    dataset: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Two methods on every dataset and split that both were evaluated on.

    Attributes
    ----------
    a, b
        How the two are called.
    results
        One per dataset, split and N.
    skipped
        What could not be compared.
    means
        One per N at which there are several datasets.
    pairs
        The outcomes behind `results`, by dataset and split.
    """

    a: Opponent
    b: Opponent
    results: tuple[Compared, ...]
    skipped: tuple[Skipped, ...] = ()
    means: tuple[MeanRecall, ...] = ()
    pairs: Mapping[str, tuple[Outcomes, Outcomes]] = field(default_factory=dict, repr=False)

    @property
    def verdict(self) -> str:
        """What the data say, in one sentence; see `vgbench.leaderboard.verdicts`."""
        from vgbench.leaderboard.verdicts import verdict

        return verdict(self)

    def to_json(self) -> dict[str, Any]:
        """The document that `vgbench compare --json` prints."""
        return {
            "a": self.a.label,
            "b": self.b.label,
            "results": [result.to_json() for result in self.results],
            "means": [mean.to_json() for mean in self.means],
            "skipped": [skipped._asdict() for skipped in self.skipped],
            "verdict": self.verdict,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per dataset, split, N and condition; `condition` is "all" for all queries."""
        import pandas as pd

        rows = []
        for result in self.results:
            for condition, test in {"all": result.test, **result.conditions}.items():
                values = test.to_json()
                for side in "ab":
                    values[f"low_{side}"], values[f"high_{side}"] = values.pop(f"interval_{side}")
                shared = {"dataset": result.key.dataset, "split": result.key.split}
                rows.append({**shared, "n": result.n, "condition": condition, **values})
        return pd.DataFrame(rows)


def _recall(count: int, queries: int) -> tuple[float, list[float]]:
    low, high = percent_interval(count, queries)
    return round(100 * count / queries, 4), [round(low, 4), round(high, 4)]
