"""What a contributor types to propose an entry for a board that lives in a git repository."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from vgbench.leaderboard.proposals import ask_git, work_tree

_GITHUB = re.compile(
    r"(?:https://(?:[^@/]*@)?|git@|ssh://git@)github\.com[:/]([\w.-]+)/([\w.-]+?)(?:\.git)?/?"
)


def next_steps(folder: Path, branch: str, message: str) -> list[str]:
    """The `git` lines that commit a submission's folder and nothing else; none outside of git.

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
