"""Packed set -> train, val and test."""

import logging
from collections import Counter
from pathlib import Path

from pipeline.data.packed import read_index
from pipeline.data.split import PARTS, SplitParams, assign_parts, label_conflicts, write_assignment
from pipeline.params import load_section
from pipeline.stage import run
from pipeline.text import shown


def main(index: Path, assignment: Path) -> None:
    """Say of every picture whether it is for training, validation or test: stratified, duplicates on one side.

    index       the packed set's index.csv
    assignment  where the table goes
    """
    params = load_section("split", SplitParams)
    rows = read_index(index)
    parts = assign_parts(rows, params)
    write_assignment(assignment, rows, parts)
    for paths in label_conflicts(rows):
        logging.warning("split: one picture under several labels: %s", ", ".join(map(shown, paths)))
    by_class = Counter((row.class_name, part) for row, part in zip(rows, parts, strict=True))
    for name in sorted({row.class_name for row in rows}):
        logging.info("split: %s: %s", shown(name), ", ".join(f"{by_class[name, part]} {part}" for part in PARTS))


if __name__ == "__main__":
    run(main)
