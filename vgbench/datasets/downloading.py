"""From names to installed datasets: archives side by side, then unpacked one after the other.

A killed download goes on where it was, and processes that want the same dataset wait for each
other; see `vgbench.datasets.obtaining` for one dataset.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from vgbench.datasets.meters import meters
from vgbench.datasets.obtaining import Downloaded, Job
from vgbench.datasets.patience import Meter, Policy
from vgbench.datasets.room import Room
from vgbench.errors import UsageError, VgbenchError
from vgbench.places import data_root as place_of_data
from vgbench.progress import note


def download_dataset(
    name: str,
    *,
    from_url: str | None = None,
    keep_archive: bool = False,
    replace: bool = False,
    data_root: str | os.PathLike[str] | None = None,
    policy: Policy | None = None,
    ready: Callable[[Path], None] | None = None,
) -> Path:
    """Download, unpack and check one dataset, unless it is installed.

    Sources are tried in order: `from_url`, `$VGBENCH_MIRROR`, those of the registry. What an
    earlier call received is not received again.

    Parameters
    ----------
    name
        A registered name; with `from_url`, any other.
    from_url
        An http(s) address of the archive, or one ending in "/" below which it is by its file name;
        a Google Drive link is one too.
    keep_archive
        Leave the archive in `<data root>/.downloads/<name>/`.
    replace
        Download also where the dataset is installed, and put the new one in its place.
    ready
        As `vgbench.datasets.import_dataset` takes it.

    Returns
    -------
    Path
        The dataset's folder.

    Raises
    ------
    DownloadError
        When no source gives the archive; names each, why it failed, and the way by hand.
    ArchiveError, DatasetError, ImageError
        When what came cannot be unpacked or is not this dataset.
    VgbenchError
        When there is not enough room.
    """
    root = place_of_data(data_root)
    job = Job.of(name, root, from_url, replace, keep_archive, policy or Policy())
    job.ready = ready
    return _download([job])[0].folder


def download_datasets(
    names: Sequence[str],
    *,
    from_url: str | None = None,
    keep_archive: bool = False,
    replace: bool = False,
    data_root: str | os.PathLike[str] | None = None,
    policy: Policy | None = None,
) -> list[Downloaded]:
    """Download several datasets side by side; see `download_dataset`.

    One that fails keeps none of the others from being installed; its error is raised at the end.
    """
    names = list(dict.fromkeys(names))
    if from_url and len(names) > 1 and not from_url.endswith("/"):
        raise UsageError(
            "--from leads to one archive, and several datasets were named. Download them one by "
            "one, or give the folder that has all of them, with a / at the end."
        )
    root = place_of_data(data_root)
    policy = policy or Policy()
    jobs = [Job.of(name, root, from_url, replace, keep_archive, policy) for name in names]
    room = Room(root, [job.name for job in jobs], keep_archive)
    for job in jobs:
        job.room = room
    return _download(jobs)


def _download(jobs: Sequence[Job]) -> list[Downloaded]:
    errors: dict[str, VgbenchError] = {}
    stop = threading.Event()
    try:
        with meters([job.name for job in jobs], stop) as bars:
            _side_by_side([(job.bring, bar) for job, bar in zip(jobs, bars, strict=True)], stop)
    except KeyboardInterrupt:
        if any(job.part_bytes for job in jobs):
            note("What came is kept: the same command goes on from there.")
        raise
    done = []
    for job in jobs:
        try:
            done.append(job.install())
        except VgbenchError as error:
            errors[job.name] = error
    if len(errors) == 1:
        raise next(iter(errors.values()))
    if errors:
        kinds = {type(error) for error in errors.values()}
        raise (kinds.pop() if len(kinds) == 1 else VgbenchError)(
            "\n\n".join(map(str, errors.values()))
        )
    return done


def _side_by_side(work: Sequence[tuple[Callable[[Meter], None], Meter]], stop: threading.Event
                  ) -> None:  # fmt: skip
    """Run functions in threads; an interrupt ends them, and waits for none that hangs."""
    threads = [threading.Thread(target=run, args=(bar,), daemon=True) for run, bar in work]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        stop.set()
        for thread in threads:
            thread.join(timeout=1.0)
        raise
