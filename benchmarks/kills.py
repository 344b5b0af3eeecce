"""Kill the data stages at random, again and again: `python benchmarks/kills.py [--rounds 40] [--seed 0]`.

Two checkouts see the same photographs come, go and change their class. In one, each `dvc repro split` runs undisturbed.
In the other it is killed (SIGKILL) up to three times before it may end: at a random moment, dvc and its stage together,
the stage alone, or dvc alone, whose stage lives on; or just when dvc has emptied one of its own files to write it anew.
Before each run stands `weldproof mend`, as in `make repro`. After each round all that the data stages made, and what
dvc.lock says of them, must be the same in both. Ends with 1 where it is not.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from growth import checkout, draw, draw_set, run
from ruamel.yaml import YAML

PHOTOGRAPHS = "photographs"
OUTPUTS = ("data/resized", "data/packed", "data/grouped", "data/split")
STAGES = ("resize", "pack_npy", "group", "split")
OWN_FILES = {"dvc.lock": "dvc.lock", "its table": ".dvc/tmp/rwlock", "its .dvc file": f"{PHOTOGRAPHS}.dvc"}
"""What dvc writes in place."""
SIZE = (640, 480)
SPAN = 1.15
"""Moments are drawn from this many times what an undisturbed run takes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--photographs", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=None, help="where to work; a temporary folder if not given")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        calm, killed = Path(name, "calm"), Path(name, "killed")
        begin(calm, arguments.photographs)
        shutil.copytree(calm, killed, symlinks=True)
        kills, mended = Counter[str](), Counter[str]()
        for number in range(arguments.rounds):
            change(calm / PHOTOGRAPHS, random.Random(f"{arguments.seed} {number}"), number)
            change(killed / PHOTOGRAPHS, random.Random(f"{arguments.seed} {number}"), number)
            seconds = run(calm, "dvc", "repro", "-q", "split").seconds
            for _ in range(3):
                what = kill_once(killed, rng, seconds)
                mended.update(mend(killed))
                if what is None:
                    break
                kills[what] += 1
            run(killed, "dvc", "repro", "-q", "split")
            compare(calm, killed, number, kills)
            commit(calm)
            commit(killed)
        print(f"{arguments.rounds} rounds, every one the same bytes; killed: {words(kills)}; mended: {words(mended)}")


def words(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "nothing"


def begin(folder: Path, photographs: int) -> None:
    """Make a checkout that has been brought up to the split once, with small squares, which suffice."""
    checkout(folder)
    for number in range(photographs):
        add(folder / PHOTOGRAPHS, number)
    params = YAML().load(folder / "params.yaml")
    params["resize"]["size"] = 64
    YAML().dump(params, folder / "params.yaml")
    run(folder, "dvc", "add", "-q", PHOTOGRAPHS)
    run(folder, "dvc", "repro", "-q", "split")
    commit(folder)


def commit(folder: Path) -> None:
    run(folder, "git", "add", "-A")
    identity = ("-c", "user.name=kills", "-c", "user.email=kills@example.org")
    run(folder, "git", *identity, "commit", "-q", "--allow-empty", "-m", "a round")


def add(folder: Path, seed: int) -> None:
    draw_set(folder, range(seed, seed + 1), *SIZE)


def change(folder: Path, rng: random.Random, number: int) -> None:
    """Let some photographs come, one go, one change its class, and one its content."""
    for each in range(rng.randint(1, 12)):
        add(folder, 10_000 + 100 * number + each)
    gone, moved, other = rng.sample(sorted(folder.rglob("*.jpg")), 3)
    gone.unlink()
    moved.rename(rng.choice(sorted(folder.iterdir())) / f"moved{number}.jpg")
    draw(other, 20_000 + number, *SIZE)


def kill_once(folder: Path, rng: random.Random, seconds: float) -> str | None:
    """Start `dvc repro split` and kill it; return in words what was killed, or None if it ended before."""
    with started(folder) as dvc:
        if rng.random() < 0.4:
            what, path = rng.choice(list(OWN_FILES.items()))
            if not wait_until(lambda: is_empty(folder / path), dvc):
                return None
            kill(dvc, "both")
            return f"as dvc wrote {what}"
        time.sleep(rng.uniform(0, SPAN * seconds))
        if dvc.poll() is not None:
            return None
        return kill(dvc, rng.choice(["both", "stage", "dvc"]))


def kill(dvc: subprocess.Popen[bytes], target: str) -> str | None:
    """Kill dvc with its stage, the stage alone (dvc then ends by itself) or dvc alone (the stage ends by itself)."""
    if target == "both":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(dvc.pid, signal.SIGKILL)
        return "dvc and stage"
    if target == "dvc":
        dvc.kill()
        return "dvc alone"
    while not (stages := stages_of(dvc.pid)) and dvc.poll() is None:
        time.sleep(0.01)
    for pid in stages:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    dvc.wait(timeout=120)
    return "stage alone" if stages else None


def stages_of(pid: int) -> list[int]:
    listing = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=2) for line in listing.splitlines()]
    return [int(own) for own, group, command in lines if int(group) == pid and "src/" in command]


@contextlib.contextmanager
def started(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    dvc = subprocess.Popen(
        ["dvc", "repro", "split"],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield dvc
    dvc.wait(timeout=120)


def wait_until(happened: Callable[[], bool], dvc: subprocess.Popen[bytes]) -> bool:
    while dvc.poll() is None:
        if happened():
            return True
    return False


def is_empty(path: Path) -> bool:
    return path.exists() and path.stat().st_size == 0


def mend(folder: Path) -> list[str]:
    """Run `weldproof mend` of the checkout; return the names of the files that it mended."""
    command = [sys.executable, "-m", "pipeline", "mend"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    return [line.partition(":")[0] for line in said.splitlines() if ":" in line]


def compare(calm: Path, killed: Path, number: int, kills: Counter[str]) -> None:
    one, other = state(calm), state(killed)
    different = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    if different:
        kept = Path(tempfile.gettempdir(), f"kills-{number}")
        shutil.copytree(calm.parent, kept, symlinks=True)
        sys.exit(f"round {number}, killed {words(kills)}: not the same: {', '.join(different)}; kept in {kept}")
    print(f"round {number}: the same {len(one)} files; killed so far: {words(kills)}", flush=True)


def state(folder: Path) -> dict[str, Any]:
    """Return the bytes of all outputs, and what dvc.lock and the photographs' .dvc file say."""
    files = [path for name in OUTPUTS for path in (folder / name).rglob("*") if path.is_file()]
    content: dict[str, Any] = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    lock = YAML(typ="safe").load(folder / "dvc.lock")["stages"]
    content |= {f"dvc.lock: {stage}": lock.get(stage) for stage in STAGES}
    return content | {"photographs.dvc": YAML(typ="safe").load(folder / f"{PHOTOGRAPHS}.dvc")}


if __name__ == "__main__":
    main()
