"""What importing an archive costs beside `unzip` and `sha256sum` over its files.

    python benchmarks/import_archive.py [--kilobytes 10] [--rounds 5]

Draws an archive with the layout, names and number of images of SF-XS's test split, so that nothing
needs to be downloaded. Both sides are whole commands in fresh processes and write to the same disk:
`vgbench datasets import sf-xs ARCHIVE`, which checks every name and image, makes the manifest and
waits until all is on the disk; and `unzip` followed by `sha256sum`, which wait for nothing. Rounds
alternate; every figure is the median; the ratio is the one to quote.
"""

from __future__ import annotations

import argparse
import os
import runpy
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STANDINS = Path(__file__).parent.parent / "tests" / "datasets" / "standins.py"


def main() -> None:
    """Run all measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kilobytes", type=int, default=10, help="about, for each image")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    given = parser.parse_args()
    for tool in ("unzip", "sha256sum"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed: on Debian, apt-get install unzip coreutils")
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary)
        standins = runpy.run_path(str(STANDINS))
        archive = standins["write_zip"](
            folder / "sf_xs.zip", standins["sf_xs_names"](), given.kilobytes * 1000
        )
        measure(archive, folder, given.rounds)


def measure(archive: Path, folder: Path, rounds: int) -> None:
    """Alternate between both ways, each into a folder of its own that is removed untimed."""
    seconds: dict[str, list[float]] = {"unzip": [], "sha256sum": [], "sync": [], "import": []}
    for _ in range(rounds):
        os.sync()
        there = folder / "unzipped"
        seconds["unzip"].append(timed(["unzip", "-q", str(archive), "-d", str(there)]))
        seconds["sha256sum"].append(
            timed(["sh", "-c", f"find '{there}' -type f -print0 | xargs -0 sha256sum > /dev/null"])
        )
        seconds["sync"].append(timed(["sync"]))
        shutil.rmtree(there)
        os.sync()
        root = folder / "data"
        command = [sys.executable, "-m", "vgbench", "datasets", "import", "sf-xs", str(archive)]
        seconds["import"].append(timed([*command, "--data-root", str(root)]))
        shutil.rmtree(root)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    base = median["unzip"] + median["sha256sum"]
    size = archive.stat().st_size / 1e6
    print(f"28,191 images in a zip of {size:,.0f} MB, {os.cpu_count()} cores, {rounds} rounds")
    print(f"unzip                       {median['unzip']:7.2f} s")
    print(f"sha256sum over its files    {median['sha256sum']:7.2f} s")
    print(f"both                        {base:7.2f} s   1.00")
    print(f"vgbench datasets import     {median['import']:7.2f} s   {median['import'] / base:.2f}")
    print(f"(sync after unzip, which import does too: {median['sync']:.2f} s)")


def timed(command: list[str]) -> float:
    """Seconds that a command takes, from its start to its end."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
