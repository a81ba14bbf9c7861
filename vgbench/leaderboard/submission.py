"""A submission is one folder: `submission.json` and a Parquet file of predictions per dataset.

Folders appear whole, by one rename, and nobody else's is ever touched. Everything that is read is
taken for a stranger's: sizes, types, ranges, digests and consistency are checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from vgbench.errors import SubmissionError
from vgbench.leaderboard.board import (
    SUBMISSION_FILE,
    board_errors,
    board_lock,
    check_writable,
    submission_digests,
    submissions_folder,
)
from vgbench.leaderboard.checks import card_problems, entries_problems
from vgbench.leaderboard.document import (
    TIME_FORMAT,
    Document,
    StoredDigests,
    Submission,
    clean_card,
    file_names,
    read_document,
    write_document,
)
from vgbench.leaderboard.entry import STATUSES, Card, Entry
from vgbench.leaderboard.fields import LARGEST_JSON
from vgbench.leaderboard.predictions import (
    distances_digest,
    encode_predictions,
    first_hit_digest,
    paths_digest,
    predictions_digest,
    read_predictions,
)
from vgbench.leaderboard.slugs import SLUG, next_revision, slugify

__all__ = [
    "STATUSES",
    "Card",
    "Entry",
    "Submission",
    "check_card",
    "check_writable",
    "find_same",
    "installed_versions",
    "list_submissions",
    "predictions_digest",
    "read_all",
    "read_submission",
    "slugify",
    "write_submission",
]

_PACKAGES = {
    "vgbench": "vgbench",
    "torch": "torch",
    "torchvision": "torchvision",
    "faiss": "faiss-cpu",
    "numpy": "numpy",
}


_CONTRADICTS = "This submission contradicts itself, and nothing was written"


def check_card(card: Card) -> None:
    """Refuse a card that `write_submission` would refuse.

    Raises
    ------
    SubmissionError
        With everything that is wrong.
    """
    if problems := card_problems(card):
        raise _error(_CONTRADICTS, problems)


def write_submission(
    card: Card,
    entries: Sequence[Entry],
    root: str | os.PathLike[str],
    status: str = "verified",
    versions: Mapping[str, str | None] | None = None,
) -> Path:
    """Add a submission to the board and bring the table up to date, both or neither.

    Parameters
    ----------
    card
        What is known of the method. Its name makes the folder's; where that is taken, the entry is
        its next revision, `<slug>-r2`.
    entries
        At least one, at most one per dataset and split.
    root
        The board's folder, which holds `submissions/` and `leaderboard/`; made where missing.
    status
        For entries that have none of their own.
    versions
        Recorded with the entry; `installed_versions()` when left out.

    Returns
    -------
    Path
        The folder; its name is the slug.

    Raises
    ------
    SubmissionError
        When card or entries contradict themselves, with everything that is wrong.
    BoardError
        When the board cannot be written: read-only, disk full, or a newer vgbench's.
    """
    from vgbench.durable import atomic_folder
    from vgbench.leaderboard.table import prepared_update

    problems = card_problems(card)
    entries = [replace(entry, status=entry.status or status) for entry in entries]
    problems += entries_problems(entries)
    if problems:
        raise _error(_CONTRADICTS, problems)
    card = clean_card(card)
    files = {
        name: encode_predictions(entry.query_paths, entry.rows, entry.distances, entry.first_hit)
        for entry, name in zip(entries, file_names(entries), strict=True)
        if entry.status != "published"
    }
    root = Path(root)
    with board_lock(root):
        parent = submissions_folder(root)
        with board_errors(root):
            parent.mkdir(parents=True, exist_ok=True)
            taken = os.listdir(parent)
        slug, revision = next_revision(slugify(card.name), taken)
        text = write_document(
            slug,
            revision,
            card,
            entries,
            datetime.now(timezone.utc).strftime(TIME_FORMAT),
            installed_versions() if versions is None else versions,
        )
        folder = parent / slug
        # The new table is complete on disk, under a temporary name, before the folder appears: a
        # full disk leaves neither, and a kill between the two renames leaves an old table that
        # readers see to be old.
        with (
            board_errors(root),
            prepared_update(root, text, entries),
            atomic_folder(folder) as temporary,
        ):
            (temporary / SUBMISSION_FILE).write_bytes(text)
            for name, content in files.items():
                (temporary / name).write_bytes(content)
    return folder


def read_submission(folder: str | os.PathLike[str]) -> Submission:
    """Read a submission's folder and check that it agrees with itself.

    Raises
    ------
    SubmissionError
        With everything that is wrong, and the folder's name.
    """
    folder = Path(folder)
    problems: list[str] = []
    text = _read_text(folder, problems)
    document = None if text is None else read_document(text, problems)
    entries: tuple[Entry, ...] = ()
    if document is not None:
        problems += _name_problems(document, folder.name)
        if not problems:  # types are right: now the values and the predictions
            problems += card_problems(document.card)
            entries = _with_predictions(document, folder, problems)
    if problems or document is None or text is None:
        raise _error(f"{folder.name} is not a valid submission", problems)
    return Submission(document, entries, folder, hashlib.sha256(text).hexdigest())


def read_all(root: str | os.PathLike[str]) -> tuple[list[Submission], dict[str, str]]:
    """Every submission of a board by folder name, and what is wrong with those that do not read."""
    found, problems = [], {}
    for name in submission_digests(Path(root)):
        try:
            found.append(read_submission(submissions_folder(Path(root)) / name))
        except SubmissionError as error:
            problems[name] = str(error)
    return found, problems


def list_submissions(root: str | os.PathLike[str]) -> list[Submission]:
    """Every valid submission of a board, by folder name; `read_all` also tells of the others."""
    return read_all(root)[0]


def find_same(
    card: Card, entries: Sequence[Entry], root: str | os.PathLike[str]
) -> Submission | None:
    """The submission that holds the very predictions of the very weights, if there is one."""
    wanted = sorted(_identity(entry, predictions_digest(entry.rows)) for entry in entries)
    for name, digest in submission_digests(Path(root)).items():
        folder = submissions_folder(Path(root)) / name
        problems: list[str] = []
        text = _read_text(folder, problems) if digest else None
        document = None if text is None else read_document(text, problems)
        if document is None or problems or document.card.weights_digest != card.weights_digest:
            continue
        held = sorted(
            _identity(entry, stored.rows if stored else "")
            for entry, stored in zip(document.entries, document.predictions, strict=True)
        )
        if held == wanted:
            with contextlib.suppress(SubmissionError):
                return read_submission(folder)
    return None


def installed_versions() -> dict[str, str | None]:
    """Versions of vgbench, torch, torchvision, faiss and numpy, importing none of them."""
    from importlib.metadata import PackageNotFoundError, version

    from vgbench._version import __version__

    versions: dict[str, str | None] = {}
    for name, distribution in _PACKAGES.items():
        try:
            versions[name] = version(distribution)
        except PackageNotFoundError:
            versions[name] = None
    versions["vgbench"] = __version__
    return versions


def _identity(entry: Entry, rows: str) -> tuple[str, ...]:
    return (
        entry.dataset, entry.split, entry.ground_truth or "", entry.content or "",
        entry.distance or "", rows,
    )  # fmt: skip


def _read_text(folder: Path, problems: list[str]) -> bytes | None:
    path = folder / SUBMISSION_FILE
    if folder.is_symlink() or path.is_symlink() or not path.is_file():
        problems.append(f"{SUBMISSION_FILE} is missing, or not a plain file")
        return None
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_JSON + 1)
    except OSError as error:
        problems.append(f"{SUBMISSION_FILE} cannot be read: {error.strerror}")
        return None


def _name_problems(document: Document, folder: str) -> list[str]:
    problems = []
    if not SLUG.fullmatch(document.slug) or len(document.slug) > 80:
        problems.append("slug should be lower-case ASCII words joined by '-'")
    elif document.slug != folder:
        problems.append(f"the folder is called {folder!r}, and its slug is {document.slug!r}")
    if not 1 <= document.revision < 10**9:
        problems.append("revision should be a whole number from 1, of at most 9 digits")
    elif document.revision > 1 and not document.slug.endswith(f"-r{document.revision}"):
        problems.append(f"revision is {document.revision}, and the slug does not end in it")
    files = [stored.file.lower() for stored in document.predictions if stored]
    if len(set(files)) < len(files):
        problems.append("two results have the same predictions file")
    return problems


def _with_predictions(document: Document, folder: Path, problems: list[str]) -> tuple[Entry, ...]:
    """The entries with their arrays, each checked against its digests and for consistency."""
    entries = []
    for entry, stored in zip(document.entries, document.predictions, strict=True):
        try:
            entries.append(entry if stored is None else _filled(entry, stored, folder))
        except SubmissionError as error:
            problems.append(str(error))
    if not problems:
        problems += entries_problems(entries)
    return tuple(entries)


def _filled(entry: Entry, stored: StoredDigests, folder: Path) -> Entry:
    found = read_predictions(folder / stored.file)
    differing = [
        what
        for what, expected, actual in (
            ("database rows", stored.rows, predictions_digest(found.rows)),
            ("distances", stored.distances, distances_digest(found.distances)),
            ("query names", stored.query_paths, paths_digest(found.query_paths)),
            (
                "first hits",
                stored.first_hit,
                None if found.first_hit is None else first_hit_digest(found.first_hit),
            ),
        )
        if expected != actual
    ]
    if found.rows.shape[1] != stored.top:
        differing.append(f"number of predictions ({found.rows.shape[1]}, not {stored.top})")
    if differing:
        raise SubmissionError(
            f"{stored.file}: the {', '.join(differing)} are not what {SUBMISSION_FILE} says "
            f"(digests differ): the file was changed after it was submitted"
        )
    return replace(
        entry,
        query_paths=found.query_paths,
        rows=found.rows,
        distances=found.distances,
        first_hit=found.first_hit,
    )


def _error(what: str, problems: Sequence[str]) -> SubmissionError:
    lines = [f"  - {problem}".replace("\n", "\n    ") for problem in problems[:20]]
    if len(problems) > 20:
        lines.append(f"  … and {len(problems) - 20:,} more problems")
    return SubmissionError(f"{what}:\n" + "\n".join(lines))
