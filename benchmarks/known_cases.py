"""How often is the verdict right? `python benchmarks/known_cases.py [CASE ...] [--seeds 4] [--nets]`.

Draws sets of which the answer is known (`tests/known_sets.py`), smaller and larger, of few and of many classes, finds
from out-of-fold answers what there is to find, and prints how often the rule says what is wanted, and what it says
else. What learns is a logistic regression on features of a net that has seen such pictures: some 5 s a set. `--nets`:
nets, which are shown as many images as the least that the pipeline's are: one to three minutes a set. Where they are
shown fewer, noise and halves of one class are not learnt, and the verdict is that nothing is known.

    python benchmarks/known_cases.py noise labels --seeds 10
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import known_sets as sets
from feasibility_cases import SHOWN, ask_head, ask_net, evidence, experienced

from pipeline.feasibility.plan import LEAST_SHOWN
from pipeline.feasibility.verdict import judge
from pipeline.training.device import cpu_threads

Case = tuple[str, Callable[[int], sets.KnownSet]]

CASES: dict[str, list[Case]] = {
    "go": [
        ("fine, 3 classes", partial(sets.fine, counts=(60, 50, 40))),
        ("fine, 4 classes", sets.fine),
        ("fine, 390 photographs", partial(sets.fine, counts=(150, 100, 80, 60))),
    ],
    "no-signal": [
        ("noise, 3 classes", partial(sets.pure_noise, counts=(60, 40, 40))),
        ("noise, 4 classes", sets.pure_noise),
        ("noise, 7 classes", partial(sets.pure_noise, counts=(120, 60, 50, 40, 40, 30, 20))),
        ("noise, 550 photographs", partial(sets.pure_noise, counts=(300, 150, 100))),
    ],
    "wrong-labels": [
        ("labels, 3 classes", partial(sets.wrong_labels, counts=(50, 40, 40))),
        ("labels, 4 classes", sets.wrong_labels),
        ("labels, 5 classes", partial(sets.wrong_labels, counts=(120, 60, 60, 40, 30))),
        ("labels, 550 photographs", partial(sets.wrong_labels, counts=(200, 150, 100, 100))),
    ],
    "collect": [
        ("rare, 4 classes", sets.one_rare),
        ("rare, 5 classes", partial(sets.one_rare, counts=(120, 80, 60, 50))),
        ("rare, plain", partial(sets.one_rare, strength=90.0)),
    ],
    "one-class": [
        ("twins", sets.twins),
        ("twins, uneven", partial(sets.twins, counts=(80, 60, 50), of_each=(60, 30))),
        ("twins, many", partial(sets.twins, counts=(100, 100, 60), of_each=(120, 80))),
    ],
    "copies": [
        ("copies, 8 parts a class", sets.copies),
        ("copies, 12 parts a class", partial(sets.copies, classes=4, parts=12, of_each=10)),
        ("copies, 5 parts a class", partial(sets.copies, parts=5, of_each=20)),
        ("copies, 30 parts a class", partial(sets.copies, parts=30, of_each=4)),
    ],
    "shortcut": [
        ("file types, 2 classes", sets.file_types),
        ("file types, 4 classes", partial(sets.file_types, counts=(60, 50, 40, 30))),
    ],
    "too-small handful": [
        ("noise, 60 photographs", partial(sets.pure_noise, counts=(25, 20, 15))),
        ("few, 15 photographs", sets.too_few),
        ("few, 30 photographs", partial(sets.too_few, counts=(12, 10, 8))),
        ("few, 15 plain ones", partial(sets.too_few, strength=90.0)),
    ],
}
"""Rows of the rule that are right -> sets for which they are."""


def main() -> None:
    """Judge each case, and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="what their names begin with")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--nets", action="store_true")
    arguments = parser.parse_args()
    names = [name for cases in CASES.values() for name, _ in cases]
    for case in arguments.cases:
        if not any(name.startswith(case) for name in names):
            parser.error(f"wanted what a name begins with of {'; '.join(names)}; found {case!r}")
    ask, shown = (ask_net, LEAST_SHOWN) if arguments.nets else (ask_head, SHOWN)
    with tempfile.TemporaryDirectory() as place, cpu_threads(1):
        weights = experienced(Path(place) / "experienced.safetensors")
        for wanted, cases in CASES.items():
            for name, make in cases:
                if name.startswith(tuple(arguments.cases) or ""):
                    found = Counter(
                        judge(evidence(make(seed), weights, ("folds", "curve", "shuffled"), seed, ask, shown)).rule
                        for seed in range(arguments.seeds)
                    )
                    right = sum(found[rule] for rule in wanted.split())
                    said = ", ".join(f"{rule} {count}" for rule, count in found.most_common())
                    print(f"{name:<26} right {right} of {arguments.seeds}: {said}", flush=True)


if __name__ == "__main__":
    main()
