"""From a word on the command line to an evaluation: a submission, its predictions, descriptors."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

from vgbench.errors import UsageError
from vgbench.leaderboard.board import SUBMISSION_FILE
from vgbench.leaderboard.document import file_names
from vgbench.leaderboard.report.reading import Evaluation, is_submission, read_evaluation
from vgbench.leaderboard.slugs import slugify
from vgbench.leaderboard.submission import read_submission
from vgbench.leaderboard.text import clean_text

_WEIGHTS = (".safetensors", ".pth", ".pt", ".ckpt")


def open_evaluation(
    given: str,
    dataset: str | None = None,
    *,
    distance: str | None = None,
    top: int = 20,
    root: str | os.PathLike[str] | None = None,
    data_root: str | os.PathLike[str] | None = None,
    pictures: bool = True,
) -> Evaluation:
    """Read what is reported on, whatever of it is named.

    Parameters
    ----------
    given
        The slug of an entry of the board; a submission's folder, its `submission.json` or one of
        its predictions files; or descriptors, as `vgbench submit` takes them: a `.npy` file, or a
        folder with one or two of them. An entry goes before a file of the same name.
    dataset
        Which of a submission's results, or what descriptors describe; as `vgbench submit` has it.
    distance
        Of descriptors: by default l2. A submission has its own.
    top
        Predictions that descriptors are given at least, for each query.
    root, data_root, pictures
        See `read_evaluation`.

    Raises
    ------
    UsageError
        When nothing has that name, it is a model, or it has several results and none was chosen.
    DescriptorError, SubmissionError, DatasetError
        When a file is not what it should be, or its dataset is not here.
    """
    path = Path(given).expanduser()
    if not is_submission(given, root):
        if path.name == SUBMISSION_FILE and path.is_file():
            given = str(path.absolute().parent)
        elif path.suffix.lower() == ".parquet" and (path.parent / SUBMISSION_FILE).is_file():
            given, dataset = str(path.absolute().parent), _result_in(path, dataset)
        elif path.exists():
            return _of_descriptors(path, dataset, distance, top, data_root)
    if distance is not None:
        raise UsageError(
            "--distance is for descriptors; the predictions of a submission were made with its own."
        )
    return read_evaluation(given, dataset, root=root, data_root=data_root, pictures=pictures)


def _result_in(predictions: Path, dataset: str | None) -> str:
    """The dataset and split whose predictions a file of a submission holds."""
    entries = read_submission(predictions.absolute().parent).entries
    for entry, name in zip(entries, file_names(entries), strict=True):
        if name == predictions.name:
            found = f"{entry.dataset}/{entry.split}"
            if dataset not in (None, entry.dataset, found) and not Path(str(dataset)).is_dir():
                raise UsageError(f"{predictions.name} holds {found}, not {clean_text(dataset)}.")
            # A folder says where the images are.
            return dataset if dataset and Path(dataset).is_dir() else found
    raise UsageError(
        f"{clean_text(predictions)} is none of the submission's predictions: "
        f"{', '.join(file_names(entries))}."
    )


def _of_descriptors(
    path: Path,
    dataset: str | None,
    distance: str | None,
    top: int,
    data_root: str | os.PathLike[str] | None,
) -> Evaluation:
    from vgbench.descriptors.files import read_descriptors
    from vgbench.descriptors.recognising import recognise_dataset
    from vgbench.evaluation import score

    _refuse_models(path)
    descriptors = read_descriptors(path)
    split = recognise_dataset(descriptors, dataset, data_root)
    result = score(descriptors.split(split), split, distance=distance or "l2", top=top)
    evaluation = read_evaluation(result)
    by = f" --distance {distance}" if distance else ""
    # A folder by its name only: where it is on somebody's machine is not for the page's readers.
    folder = Path(dataset).expanduser() if dataset else None
    described = folder.resolve().name if folder and folder.is_dir() else evaluation.title
    return replace(
        evaluation,
        slug=slugify(descriptors.stem),
        name=clean_text(descriptors.stem),
        command=f"vgbench report {shlex.quote(clean_text(path.name))} "
        f"-d {shlex.quote(clean_text(described))}{by}",
    )


def _refuse_models(path: Path) -> None:
    """Weights and the folders of training runs are no evaluation yet: say how to make one."""
    weights = path
    if path.is_dir():
        weights = path / "model.safetensors"
        if not weights.is_file() or not (path / "run.json").is_file():
            return
    if weights.suffix.lower() in _WEIGHTS:
        raise UsageError(
            f"{clean_text(path)} is a model, and a report is of an evaluation. Evaluate it first: "
            f"vgbench evaluate {shlex.quote(str(weights))}"
        )
