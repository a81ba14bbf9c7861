"""Where data and boards live: an option, else an environment variable, else a sensible folder."""

from __future__ import annotations

import os
from pathlib import Path


def data_root(option: str | os.PathLike[str] | None = None) -> Path:
    """The folder that holds datasets: `option`, else `$VGBENCH_DATA`, else the user's cache."""
    chosen = option or os.environ.get("VGBENCH_DATA")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("vgbench", appauthor=False))


def board_root(
    option: str | os.PathLike[str] | None = None, start: str | os.PathLike[str] | None = None
) -> Path:
    """The folder that holds `submissions/` and `leaderboard/`.

    `option`, else `$VGBENCH_ROOT`, else the nearest folder at or above `start` (the working
    directory) that holds both, else the user's data folder.
    """
    chosen = option or os.environ.get("VGBENCH_ROOT")
    if chosen:
        return Path(chosen).expanduser().absolute()
    here = Path(start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / "submissions").is_dir() and (folder / "leaderboard").is_dir():
            return folder
    import platformdirs

    return Path(platformdirs.user_data_dir("vgbench", appauthor=False))
