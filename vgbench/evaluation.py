"""From descriptors, or from a model, to recalls with their uncertainty: one value, `Result`.

The protocol (version 1): a query is localized at N when one of its N nearest database images, by
the distance named, was taken within 25 m of it (UTM, inclusive). Recall@N is the percentage of all
queries that are localized; queries without any positive stay in the denominator and are counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgbench.datasets import Dataset, load_dataset
from vgbench.errors import DescriptorError, UsageError
from vgbench.retrieval.positives import count_without_positives
from vgbench.retrieval.recall import RECALL_VALUES, first_hit, hits
from vgbench.retrieval.search import DISTANCES, Predictions, search
from vgbench.retrieval.statistics import percent_interval

if TYPE_CHECKING:
    import pandas as pd

    from vgbench.descriptors.extracted import Extraction
    from vgbench.models import LoadedModel
    from vgbench.models.classical import ClassicalModel

PROTOCOL = 1
"""Version of the protocol above; rows of different versions are never ranked together."""

THRESHOLD = 25.0
"""Metres within which a database image is a positive: the field's convention since Tokyo 24/7
(Torii et al., CVPR 2015)."""


@dataclass(frozen=True)
class ModelCard:
    """What is known of the model that made the descriptors."""

    architecture: str | None = None
    parameters: int | None = None
    weights_digest: str | None = None
    source: str | None = None
    included: bool = False  # its weights ship with vgbench, so anybody can run them again


@dataclass(frozen=True)
class Result:
    """The evaluation of one set of descriptors on one split.

    `first_hits` is int32 of shape (Q,): the 0-based rank of the first positive among a query's
    predictions, −1 where there is none.
    """

    dataset: Dataset
    predictions: Predictions
    first_hits: NDArray[np.int32]
    distance: str
    dimension: int
    queries_without_positives: int
    descriptors_digest: str
    ns: tuple[int, ...] = RECALL_VALUES
    threshold: float = THRESHOLD
    protocol: int = PROTOCOL
    image_size: str | None = None
    resize: str | None = None
    device: str | None = None
    model: ModelCard = field(default_factory=ModelCard)
    seconds: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        recalls = ", ".join(
            f"R@{n} {recall:.1f} [{low:.1f}–{high:.1f}]"
            for (n, recall), (low, high) in zip(
                self.recalls.items(), self.intervals.values(), strict=True
            )
        )
        where = f"{self.dataset.id}/{self.dataset.split}"
        return f"<Result on {where}, {self.queries:,} queries, {self.distance}: {recalls}>"

    @property
    def queries(self) -> int:
        """Number of queries, the denominator of every recall."""
        return len(self.first_hits)

    @property
    def hits(self) -> dict[int, int]:
        """Queries localized at each N."""
        return hits(self.first_hits, self.ns)

    @property
    def recalls(self) -> dict[int, float]:
        """Recall@N in percent."""
        return {n: 100 * count / self.queries for n, count in self.hits.items()}

    @property
    def intervals(self) -> dict[int, tuple[float, float]]:
        """The 95 % Wilson interval of each recall, in percent."""
        return {n: percent_interval(count, self.queries) for n, count in self.hits.items()}

    @property
    def conditions(self) -> dict[str, dict[str, Any]] | None:
        """Hits by condition where it is known: `{"night": {"queries": 80, "hits": {1: 21}}}`."""
        labels = self.dataset.query_conditions
        if labels is None:
            return None
        known = np.asarray([label or "unknown" for label in labels])
        found: dict[str, dict[str, Any]] = {}
        for condition in sorted(set(known.tolist())):
            chosen = self.first_hits[known == condition]
            found[condition] = {"queries": len(chosen), "hits": hits(chosen, self.ns)}
        return found

    @property
    def status(self) -> str:
        """What the row may claim on a leaderboard: `reproduced`, `verified` or `unverified`."""
        if not self.dataset.pinned:
            return "unverified"
        return "reproduced" if self.model.included else "verified"

    def to_frame(self) -> pd.DataFrame:
        """One row per query: its path, condition, rank of the first hit and best prediction."""
        import pandas as pd

        best = self.predictions.rows[:, 0]
        offsets = self.dataset.database_positions[best] - self.dataset.query_positions
        return pd.DataFrame(
            {
                "query": list(self.dataset.query_paths),
                "condition": self.dataset.query_conditions,
                "first_hit": self.first_hits,
                "prediction": [self.dataset.database_paths[row] for row in best],
                "distance": self.predictions.distances[:, 0],
                "metres": np.sqrt((offsets**2).sum(axis=1)),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """The result as `evaluate`, `submit` and `verify` print it under `results`."""
        return {
            "dataset": self.dataset.id,
            "split": self.dataset.split,
            "fingerprint": self.dataset.ground_truth,
            "content": self.dataset.content,
            "database": len(self.dataset.database_paths),
            "queries": self.queries,
            "queries_without_positives": self.queries_without_positives,
            "distance": self.distance,
            "dimension": self.dimension,
            "image_size": self.image_size,
            "resize": self.resize,
            "hits": {str(n): count for n, count in self.hits.items()},
            "recall": {str(n): round(value, 4) for n, value in self.recalls.items()},
            "interval": {
                str(n): [round(low, 4), round(high, 4)] for n, (low, high) in self.intervals.items()
            },
            "conditions": self._conditions_json(),
            "predictions": None,
            "seconds": {name: round(value, 4) for name, value in self.seconds.items()},
            "warnings": list(self.warnings),
        }

    def _conditions_json(self) -> dict[str, Any] | None:
        if self.conditions is None:
            return None
        return {
            name: {
                "queries": part["queries"],
                "hits": {str(n): count for n, count in part["hits"].items()},
                "recall": {
                    str(n): round(100 * count / part["queries"], 4)
                    for n, count in part["hits"].items()
                },
                "interval": {
                    str(n): [round(x, 4) for x in percent_interval(count, part["queries"])]
                    for n, count in part["hits"].items()
                },
            }
            for name, part in self.conditions.items()
        }


def score(
    descriptors: NDArray[Any] | tuple[NDArray[Any], NDArray[Any]],
    dataset: Dataset | str | os.PathLike[str],
    *,
    distance: str = "l2",
    top: int = 20,
    threshold: float = THRESHOLD,
) -> Result:
    """Evaluate descriptors on a split.

    Parameters
    ----------
    descriptors
        Float array of shape (N + Q, D), database rows first, both in the dataset's order; or a pair
        of arrays of shapes (N, D) and (Q, D).
    dataset
        A `Dataset`, the name of one (`"tokyo-xs"`), or the path of a folder.
    distance
        `"l2"` on the descriptors as given (the field's default), `"cosine"` or `"ip"`.
    top
        How many predictions to keep per query, at least 20.
    threshold
        Metres within which a database image counts as a positive, inclusive.

    Raises
    ------
    DescriptorError
        When rows, shape, type or content do not fit, naming the rows and images.
    """
    return _score(descriptors, _dataset(dataset), distance, top, threshold, known_order=False)


def _score(
    descriptors: Any, dataset: Dataset, distance: str, top: int, threshold: float, known_order: bool
) -> Result:
    from vgbench.descriptors.files import digest
    from vgbench.descriptors.validation import check_descriptors
    from vgbench.hints import hints

    _check_protocol(distance, top, threshold)
    database, queries = _halves(descriptors, dataset)
    started = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:  # hashing releases the GIL: it overlaps the search
        fingerprint = pool.submit(digest, database, queries)
        check_descriptors(database, queries, dataset.database_paths, dataset.query_paths)
        predictions = search(database, queries, k=top, distance=distance)
        if not np.isfinite(predictions.distances).all():
            raise DescriptorError(
                "Distances between the descriptors are too large for float32: scale them down."
            )
        searched = time.perf_counter()
        ranks = first_hit(
            predictions.rows, dataset.database_positions, dataset.query_positions, threshold
        )
        result = Result(
            dataset=dataset,
            predictions=predictions,
            first_hits=ranks,
            distance=distance,
            dimension=database.shape[1],
            queries_without_positives=count_without_positives(
                dataset.database_positions, dataset.query_positions, threshold
            ),
            descriptors_digest=fingerprint.result(),
            threshold=threshold,
            seconds={"search": searched - started},
        )
    return replace(result, warnings=hints(result, database, queries, known_order))


def evaluate(
    model: LoadedModel | ClassicalModel | Callable[[Any], Any] | str | os.PathLike[str],
    dataset: Dataset | str | os.PathLike[str],
    *,
    arch: str | None = None,
    pooling: str | None = None,
    distance: str = "l2",
    top: int = 20,
    threshold: float = THRESHOLD,
    resize: int | tuple[int, int] | None = None,
    device: str = "auto",
    precision: str = "float32",
) -> Result:
    """Make descriptors of a split with a model and evaluate them.

    Parameters
    ----------
    model
        The path of a checkpoint, `"reference"` for the included model, the name of a classical
        baseline (`"thumbnail"`, `"hog-grid"`, …; these need no torch), a value of `load_model`, any
        torch module, or any callable from float images (B, 3, H, W) to descriptors (B, D).
    dataset
        A `Dataset`, the name of one, or the path of a folder with `database/` and `queries/`.
    arch
        The architecture of a checkpoint whose keys do not tell it.
    pooling
        `"avg"` or `"gem"`: pool in another way than a checkpoint was trained with, which the
        result's architecture then says.
    resize
        `None` keeps the images as they are; an int is the shorter side, a pair height and width.
    """
    from vgbench.models.classical import ClassicalModel
    from vgbench.models.included import open_model

    _check_protocol(distance, top, threshold)  # before the long work, not after it
    dataset = _dataset(dataset)
    if isinstance(model, (str, os.PathLike)):
        model = open_model(model, arch=arch, pooling=pooling)
    elif arch is not None or pooling is not None:
        raise UsageError(
            "arch and pooling say how to load a checkpoint, and this model is loaded already."
        )
    made_by: LoadedModel | ClassicalModel | None
    if isinstance(model, ClassicalModel):
        from vgbench.descriptors.classical import extract_classical

        made_by = model
        extraction = extract_classical(
            model, dataset, resize=resize, device=device, precision=precision
        )
    else:
        from vgbench.descriptors.extraction import extract
        from vgbench.models import LoadedModel

        made_by = model if isinstance(model, LoadedModel) else None
        extraction = extract(model, dataset, resize=resize, device=device, precision=precision)
    result = _score(extraction.descriptors, dataset, distance, top, threshold, known_order=True)
    return with_extraction(result, extraction, made_by)


def with_extraction(
    result: Result, extraction: Extraction, model: LoadedModel | ClassicalModel | None
) -> Result:
    """Add to a result what is known of how its descriptors were made."""
    from vgbench.models.classical import ClassicalModel

    card = ModelCard()
    if isinstance(model, ClassicalModel):
        card = ModelCard(architecture=model.architecture, parameters=model.parameters)
    elif model is not None:
        card = ModelCard(
            architecture=model.architecture,
            parameters=model.parameters,
            weights_digest=model.digest,
            source=model.source.name if model.source else None,
            included=model.is_reference,
        )
    return replace(
        result,
        model=card,
        image_size=extraction.image_size,
        resize=extraction.resize,
        device=extraction.device,
        settings=extraction.settings,
        seconds={**extraction.seconds, **result.seconds},
    )


def _dataset(dataset: Dataset | str | os.PathLike[str]) -> Dataset:
    return dataset if isinstance(dataset, Dataset) else load_dataset(dataset)


def _check_protocol(distance: str, top: int, threshold: float) -> None:
    if distance not in DISTANCES:
        raise UsageError(f"Unknown distance {distance!r}: choose one of {', '.join(DISTANCES)}.")
    if top < max(RECALL_VALUES):
        raise UsageError(f"top = {top} is too few: recall@{max(RECALL_VALUES)} needs as many.")
    if not 0 < threshold < np.inf:
        raise UsageError(f"The threshold must be a distance in metres; found {threshold}.")


def _halves(descriptors: Any, dataset: Dataset) -> tuple[NDArray[Any], NDArray[Any]]:
    """Split one array of N + Q rows, or take a pair, and hold both against the dataset's counts."""
    where = f"{dataset.id}/{dataset.split}"
    if isinstance(descriptors, (tuple, list)) and [np.ndim(rows) for rows in descriptors] == [2, 2]:
        database, queries = map(_rows, descriptors)
    else:
        whole = _rows(descriptors)
        if whole.ndim != 2:
            raise DescriptorError(
                f"Descriptors must be one array of shape (images, dimension); found "
                f"{whole.ndim} dimension(s)."
            )
        if len(whole) != len(dataset):
            raise DescriptorError(
                f"{where} has {len(dataset):,} images ({len(dataset.database_paths):,} database + "
                f"{len(dataset.query_paths):,} queries), but the array has {len(whole):,} rows."
            )
        cut = len(dataset.database_paths)
        database, queries = whole[:cut], whole[cut:]
    for rows, paths, role in (
        (database, dataset.database_paths, "database"),
        (queries, dataset.query_paths, "queries"),
    ):
        if len(rows) != len(paths) or rows.shape[1] == 0:
            raise DescriptorError(
                f"The {role} descriptors must be of shape ({len(paths):,}, dimension) for {where}; "
                f"found shape {rows.shape}."
            )
    return database, queries


def _rows(given: Any) -> NDArray[Any]:
    """What a caller has, a torch tensor on the CPU too, as an array of floats."""
    try:
        rows = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DescriptorError(f"Descriptors must be an array of floats: {error}") from error
    if rows.dtype.kind != "f" or rows.dtype.itemsize > 8:
        raise DescriptorError(
            f"Descriptors are float16, float32 or float64; found {rows.dtype}. "
            "If they are numbers of another kind: array.astype('float32')."
        )
    return rows
