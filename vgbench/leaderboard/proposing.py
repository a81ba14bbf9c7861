"""What a contributor types to propose an entry for a board that lives in a git repository."""

from __future__ import annotations

import os
import re
import shlex
import textwrap
from pathlib import Path

from vgbench.leaderboard.proposals import Person, added_by, ask_git, work_tree
from vgbench.leaderboard.slugs import REVISION
from vgbench.leaderboard.text import clean_text

_GITHUB = re.compile(
    r"(?:https://(?:[^@/]*@)?|git@|ssh://git@)github\.com[:/]([\w.-]+)/([\w.-]+?)(?:\.git)?/?"
)


def next_steps(folder: Path, branch: str, message: str) -> list[str]:
    """The `git` lines that commit a submission's folder and nothing else; none outside of git.

    Where the entry is somebody else's, or would supersede theirs, a line says so instead: such a
    pull request is refused.

    Parameters
    ----------
    folder
        `submissions/<slug>`.
    branch, message
        Of the commit.
    """
    top = work_tree(folder)
    if top is None:
        return []
    inside = folder.resolve().relative_to(top).as_posix()
    if ask_git(top, "check-ignore", "--quiet", "--", inside, literal=False) is not None:
        return []  # somebody's own board, kept out of their repository
    if (stranger := _stranger(top, inside)) is not None:
        return _refusal(inside.rpartition("/")[2], *stranger, _own_address(top))
    path = shlex.quote(inside)
    lines = [] if Path.cwd().resolve() == top else [f"  cd {shlex.quote(str(top))}"]
    lines += [
        f"  git checkout -b {shlex.quote(branch)}",
        f"  git add {path}",
        f"  git commit -m {shlex.quote(message)} -- {path}",
        f"  git push -u origin {shlex.quote(branch)}",
    ]
    match = _GITHUB.fullmatch((ask_git(top, "remote", "get-url", "origin") or "").strip())
    if match:
        where = f"https://github.com/{match[1]}/{match[2]}/compare/{branch}?expand=1"
        lines.append(f"  then open {where}")
    derived = (folder.resolve().parent.parent / "leaderboard").relative_to(top).as_posix()
    if ask_git(top, "ls-files", "--", derived):  # `git pull` stops at a table that is changed here
        why = "before you pull: main makes it again"
        lines.append(f"  git restore {shlex.quote(derived)}  # {why}")
    return ["To propose it, commit this folder and nothing of leaderboard/:", *lines]


def _stranger(top: Path, inside: str) -> tuple[str, Person] | None:
    """The entry that a folder is, or supersedes, and who added it; None where that is the user.

    As of commits, this goes by the addresses that git knows; without one, and where a shallow clone
    does not know who added what, nobody is a stranger.
    """
    own = _own_address(top)
    shallow = (ask_git(top, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
    match = REVISION.fullmatch(inside)
    for folder in [inside, match[1]] if match else [inside]:
        person = added_by(top, folder)
        if own and not shallow and person.address.casefold() not in ("", own.casefold()):
            return folder.rpartition("/")[2], person
    return None


def _refusal(slug: str, entry: str, person: Person, own: str) -> list[str]:
    verb = "superseded" if slug != entry else "withdrawn"
    text = (
        f"A pull request with it would be refused: {entry} was added by {person.name} "
        f"<{person.address}>, and an entry is {verb} only by who added it (git says that you are "
        f"{own}). "
    )
    if slug != entry:
        text += "For a method of your own, choose another name."
    return textwrap.wrap(clean_text(text), 79, break_on_hyphens=False, break_long_words=False)


def _own_address(top: Path) -> str:
    own = os.environ.get("GIT_AUTHOR_EMAIL") or ask_git(top, "config", "user.email") or ""
    return own.strip()
