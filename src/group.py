"""Packed set -> what belongs together."""

import logging
from collections import Counter
from pathlib import Path

from pipeline.data.contact_sheet import crowd_line, write_contact_sheet
from pipeline.data.groups import GroupParams, find_ties
from pipeline.data.packed import open_packed
from pipeline.data.ties import TIES_FILE, groups_of, write_ties
from pipeline.files import new_files
from pipeline.params import load_section
from pipeline.stage import only_one, run


def main(packed: Path, table: Path, grouped: Path) -> None:
    """Find the photographs that must stand on one side of a split: copies, other photographs of one part, own keys.

    packed   the packed set
    table    your own groups, a CSV table path,group
    grouped  where ties.csv and groups.html, a contact sheet of what was found, go
    """
    params = load_section("group", GroupParams)
    packed_set = open_packed(packed)
    with only_one("group"):
        found = find_ties(packed_set, table, params)
        with new_files(grouped) as folder:
            write_ties(folder / TIES_FILE, found.ties)
            write_contact_sheet(folder / "groups.html", packed_set, found, params.threshold)
    for crowd in found.crowds:
        logging.warning("group: %s", crowd_line(crowd, params.threshold))
    groups = groups_of(found.ties)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(tie.kind for tie in found.ties).items()))
    logging.info(
        "group: %d of %d photographs in %d groups, %d in the largest; ties: %s",
        sum(map(len, groups)),
        len(packed_set.index),
        len(groups),
        max(map(len, groups), default=0),
        kinds or "none",
    )


if __name__ == "__main__":
    run(main)
