"""What commits propose to change on a board, as git tells it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from vgbench.errors import BoardError, UsageError
from vgbench.leaderboard.board import SUBMISSION_FILE
from vgbench.leaderboard.document import Document, read_document
from vgbench.leaderboard.slugs import REVISION
from vgbench.leaderboard.text import clean_text
from vgbench.leaderboard.withdrawing import WITHDRAWN_FILE


class Change(NamedTuple):
    """One file that differs: "A", "M", "D" or "T", its path from the board's folder (it begins with
    "../" outside of it), and git's modes before and after."""

    kind: str
    path: str
    before: str
    after: str


class Person(NamedTuple):
    """Who a commit says has written it."""

    name: str
    address: str


@dataclass(frozen=True)
class Proposal:
    """What commits change, and what is known of what they touch.

    Attributes
    ----------
    changes
        In git's order.
    existing
        The entries that are there already.
    added_by
        Who added those of them that the commits touch, or supersede.
    authors
        Addresses of whoever wrote the commits.
    scores
        By entry: in words, the hits that the commits move.
    removed_lines
        By path of a published table: how many of its lines are gone or changed.
    reasons
        By entry: the text of a withdrawal that was added.
    uncommitted
        Paths that differ from the last commit, so that what is verified is not what is proposed.
    """

    changes: Sequence[Change]
    existing: frozenset[str] = frozenset()
    added_by: Mapping[str, Person] = field(default_factory=dict)
    authors: frozenset[str] = frozenset()
    scores: Mapping[str, Sequence[str]] = field(default_factory=dict)
    removed_lines: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    uncommitted: Sequence[str] = ()


def read_proposal(root: Path, ref: str) -> Proposal:
    """Ask git what the commits since `ref` change; see `verify_change` for what is raised."""
    top = work_tree(root)
    if top is None:
        raise BoardError(f"{root} is not in a git work tree: there are no commits to look at.")
    base = ask_git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if base is None:
        raise UsageError(f"--changed-since {clean_text(ref)[:80]}: git knows no such commit.")
    base = ask_git(top, "merge-base", base.strip(), "HEAD")
    if base is None:
        raise UsageError(
            f"--changed-since {clean_text(ref)[:80]}: it has no ancestor in common with HEAD (in a "
            f"shallow clone, run: git fetch --unshallow)."
        )
    base = base.strip()
    prefix = Path(os.path.relpath(root.resolve(), top)).as_posix()
    raw = ask_git(
        top, "diff", "--raw", "-z", "--no-renames", "--no-abbrev", "--no-ext-diff",
        "--ignore-submodules=none", base, "HEAD", "--",
    )  # fmt: skip
    changes = [
        change._replace(path=_relative(change.path, prefix)) for change in parse_raw(raw or "")
    ]
    inside = "" if prefix == "." else f"{prefix}/"
    listed = ask_git(top, "ls-tree", "-z", "--name-only", base, "--", f"{inside}submissions/") or ""
    existing = {PurePosixPath(path).name for path in listed.split("\0") if path}
    touched = {c.path.split("/")[1] for c in changes if c.path.startswith("submissions/")}
    owned = touched | {match[1] for slug in touched if (match := REVISION.fullmatch(slug))}
    status = ask_git(top, "status", "--porcelain", "-z", "--", f"{inside}submissions") or ""
    return Proposal(
        changes=changes,
        existing=frozenset(existing),
        added_by={
            slug: added_by(top, f"{inside}submissions/{slug}", base)
            for slug in sorted(owned & existing)
        },
        authors=frozenset(
            (ask_git(top, "log", "--format=%ae", f"{base}..HEAD") or "").casefold().split()
        ),
        scores={
            slug: moved
            for slug in sorted(touched & existing)
            if (moved := _moved(top, base, f"{inside}submissions/{slug}/{SUBMISSION_FILE}"))
        },
        removed_lines=_removed_lines(top, base, f"{inside}submissions", prefix),
        reasons={
            slug: _show(top, "HEAD", f"{inside}submissions/{slug}/{WITHDRAWN_FILE}") or ""
            for slug in sorted(touched)
        },
        uncommitted=[_relative(item[3:], prefix) for item in status.split("\0") if item],
    )


def parse_raw(text: str) -> list[Change]:
    r"""The changes in what `git diff --raw -z` prints.

    >>> parse_raw(":000000 100644 0000 abcd A\0submissions/a/submission.json\0")[0].kind
    'A'
    """
    fields = text.split("\0")
    changes = []
    for head, path in zip(fields[::2], fields[1::2], strict=False):
        before, after, _, _, kind = head.removeprefix(":").split(" ")
        changes.append(Change(kind[:1], path, before, after))
    return changes


def work_tree(folder: Path) -> Path | None:
    """The top of the git work tree that holds a folder; None where there is none, or no git."""
    found = ask_git(folder, "rev-parse", "--show-toplevel") if folder.is_dir() else None
    return Path(found.rstrip("\n")).resolve() if found else None


def ask_git(folder: Path, *arguments: str, literal: bool = True) -> str | None:
    """What git prints in a folder; None when it fails. Names that are no UTF-8 keep their bytes.

    Paths are taken as they are, `*` and all, unless a command knows no `literal` paths.
    """
    # A repository's own settings must not start programs: it may be a stranger's.
    settings = ("core.fsmonitor=false", "core.quotePath=false", "log.showSignature=no")
    quiet = [word for setting in settings for word in ("-c", setting)]
    try:
        done = subprocess.run(
            ["git", *quiet, "--no-pager", *arguments],
            cwd=folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env={
                **os.environ,
                "GIT_OPTIONAL_LOCKS": "0",
                "GIT_LITERAL_PATHSPECS": str(int(literal)),
            },
        )
    except OSError:
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


def added_by(top: Path, folder: str, commit: str = "HEAD") -> Person:
    """Who added an entry's folder, as the history of a commit tells; an empty name for nobody."""
    path = f"{folder}/{SUBMISSION_FILE}"
    found = ask_git(top, "log", "--diff-filter=A", "--format=%an%x00%ae", commit, "--", path) or ""
    name, _, address = (found.splitlines() or [""])[-1].partition("\0")
    return Person(name, address)


def _show(top: Path, commit: str, path: str) -> str | None:
    return ask_git(top, "cat-file", "blob", f"{commit}:{path}")


def _moved(top: Path, base: str, path: str) -> list[str]:
    """Which hits of an entry differ between two commits, in words."""
    before, after = (_stated_hits(_show(top, commit, path)) for commit in (base, "HEAD"))
    return [
        f"{key[0]} R@{key[1]} from {count} to {after.get(key, 'nothing')}"
        for key, count in before.items()
        if after and after.get(key) != count
    ]


def _stated_hits(text: str | None) -> dict[tuple[str, int], float]:
    document: Document | None = None
    if text is not None:
        document = read_document(text.encode("utf-8", "surrogateescape"), [])
    if document is None:
        return {}
    return {
        (clean_text(f"{entry.dataset}/{entry.split}"), n): value
        for entry in document.entries
        for n, value in (entry.hits or entry.recalls).items()
    }


def _removed_lines(top: Path, base: str, folder: str, prefix: str) -> dict[str, int]:
    counts = (
        ask_git(top, "diff", "--numstat", "-z", "--no-renames", base, "HEAD", "--", folder) or ""
    )
    removed = {}
    for line in filter(None, counts.split("\0")):
        _, gone, path = line.split("\t", 2)
        removed[_relative(path, prefix)] = int(gone) if gone.isdigit() else 1
    return removed


def _relative(path: str, prefix: str) -> str:
    if prefix == ".":
        return path
    inside = f"{prefix}/"
    if path.startswith(inside):
        return path[len(inside) :]
    return "../" * (prefix.count("/") + 1) + path
