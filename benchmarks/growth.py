"""What ten more photographs cost, in a checkout of its own: `python benchmarks/growth.py [--photographs 20000]`.

Draws photographs, runs the data stages from nothing, adds ten, and runs them again: each script alone, then all of
`dvc repro` up to the split. Prints seconds by the clock, seconds of processor time, memory, and what ten more cost as a
share of all, by the clock and of processor time. The shares are what counts: both sides are measured in one run on one
machine. Wanted: 5% for `resize` and `pack_npy`, 15% for the whole.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
SHARES = {"sound": 0.61, "lack_of_fusion": 0.14, "porosity": 0.1, "undercut": 0.07, "crack": 0.045, "spatter": 0.035}
SETTLED = 3  # seconds, after which a file counts as left alone


def draw(path: Path, seed: int, width: int, height: int) -> None:
    """Write a JPEG of some 250 KB at 1280x960: broad light, texture, and noise."""
    rng = np.random.default_rng(seed)
    light = cv2.resize(rng.integers(40, 200, (12, 16)).astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    coarse = rng.integers(0, 60, (height // 4, width // 4)).astype(np.uint8)
    fine = rng.integers(0, 12, (height // 2, width // 2)).astype(np.uint8)
    image = cv2.add(light, cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
    image = cv2.add(image, cv2.resize(fine, (width, height), interpolation=cv2.INTER_NEAREST))
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])


def draw_set(folder: Path, seeds: range, width: int, height: int) -> None:
    classes = np.random.default_rng(seeds.start).choice(list(SHARES), len(seeds), p=list(SHARES.values()))
    for name in SHARES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    paths = [folder / name / f"{seed:07d}.jpg" for seed, name in zip(seeds, classes, strict=True)]
    # Processes, which also keep their memory to themselves: what is started is said to have held what its starter did.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as executor:
        list(executor.map(draw, paths, seeds, repeat(width), repeat(height), chunksize=64))


def checkout(folder: Path) -> None:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if not name.startswith(("tests/", "docs/", "data/split/")) and name != "dvc.lock" and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    params = YAML().load(folder / "params.yaml")
    params["data"]["folder"] = "photographs"
    YAML().dump(params, folder / "params.yaml")
    run(folder, "git", "init", "-q")


class Cost(NamedTuple):
    """What a command and all that it started took, and the most memory that one of them held at once."""

    seconds: float
    processor_seconds: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.seconds:8.2f} s {self.processor_seconds:8.2f} s {self.megabytes:6.0f} MB"


def run(folder: Path, *command: str) -> Cost:
    environment = os.environ | {
        "PYTHONPATH": ".",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT)
        # Not `process.wait`, which does not say what the process took.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)}\n{said.read().decode()}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


STAGES = {
    "resize": ("src/resize.py", "photographs", "data/resized"),
    "pack_npy": ("src/pack_npy.py", "data/resized", "data/packed"),
    "group": ("src/group.py", "data/packed", "data/groups.csv", "data/grouped"),
    "split": ("src/split.py", "data/packed/index.csv", "data/grouped/ties.csv", "data/split"),
}


def scripts(folder: Path) -> dict[str, Cost]:
    return {name: run(folder, sys.executable, *command) for name, command in STAGES.items()}


def total(one: Cost, other: Cost) -> Cost:
    return Cost(
        one.seconds + other.seconds,
        one.processor_seconds + other.processor_seconds,
        max(one.megabytes, other.megabytes),
    )


def report(what: str, nothing: Cost, more: Cost) -> None:
    shares = more.seconds / nothing.seconds, more.processor_seconds / nothing.processor_seconds
    print(f"{what:<20}{nothing}  ten more {more}  {shares[0]:6.1%} {shares[1]:6.1%}", flush=True)


def forget(folder: Path) -> None:
    for name in ("data/resized", "data/packed", "data/grouped", "data/split", ".weldproof"):
        shutil.rmtree(folder / name, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=int, default=20_000)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=960)
    parser.add_argument("--folder", type=Path, default=None, help="where to work; a temporary folder if not given")
    arguments = parser.parse_args()
    size = (arguments.width, arguments.height)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        checkout(folder)
        draw_set(folder / "photographs", range(arguments.photographs), *size)
        print(f"{arguments.photographs} photographs of {size[0]}x{size[1]}", flush=True)
        nothing = scripts(folder)
        time.sleep(SETTLED)
        draw_set(folder / "photographs", range(10**6, 10**6 + 10), *size)
        ten = scripts(folder)
        for stage in STAGES:
            report(stage, nothing[stage], ten[stage])
        report("resize + pack_npy", *(total(taken["resize"], taken["pack_npy"]) for taken in (nothing, ten)))
        forget(folder)
        run(folder, "dvc", "add", "-q", "photographs")
        first = run(folder, "dvc", "repro", "-q", "split")
        time.sleep(SETTLED)
        draw_set(folder / "photographs", range(2 * 10**6, 2 * 10**6 + 10), *size)
        report("dvc repro split", first, run(folder, "dvc", "repro", "-q", "split"))
        report("with nothing to do", first, run(folder, "dvc", "repro", "-q", "split"))


if __name__ == "__main__":
    main()
