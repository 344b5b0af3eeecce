"""Packed set -> train, val and test."""

import logging
from collections import Counter
from pathlib import Path

from pipeline.data.assignment import PARTS
from pipeline.data.classes import ClassParams
from pipeline.data.packed import read_index
from pipeline.data.split import SplitParams, read_former, split_index, write_split
from pipeline.data.ties import read_ties
from pipeline.params import load_section
from pipeline.stage import only_one, run
from pipeline.text import shown


def main(index: Path, ties: Path, split: Path) -> None:
    """Say of every picture whether it is for training, validation or test, and in which fold it is.

    index  the packed set's index.csv
    ties   what belongs together, ties.csv
    split  where assignment.csv and shares.json go; the assignment that stands there is added to, and moves nobody
    """
    params, classes = load_section("split", SplitParams), load_section("classes", ClassParams)
    with only_one("split"):
        former = read_former(split)
        result = split_index(read_index(index), read_ties(ties), former, params, classes)
        write_split(split, result, params)
    for warning in result.warnings:
        logging.warning("split: %s", warning)
    places = [f"fold {fold}" for fold in range(params.folds)] or PARTS
    by_class = Counter((row.class_name, f"fold {row.fold}" if params.folds else row.part) for row in result.rows)
    groups = {(row.class_name, row.group) for row in result.rows}
    for name in sorted({row.class_name for row in result.rows} - {""}):
        counts = ", ".join(f"{by_class[name, place]} {place}" for place in places)
        logging.info("split: %s: %s; %d groups", shown(name), counts, sum(key[0] == name for key in groups))
    if former.rows:
        new = Counter(row.part for row in result.new)
        parts = ", ".join(f"{new[part]} {part}" for part in PARTS)
        logging.info("split: %d new photographs: %s", len(result.new), parts)


if __name__ == "__main__":
    run(main)
