"""Photographs -> grey squares of one size."""

import logging
from pathlib import Path

from pipeline.data.find import find_photographs
from pipeline.data.resize import ResizeParams, resize_photographs
from pipeline.params import load_section
from pipeline.stage import run
from pipeline.text import shown

IGNORED_SHOWN = 10


def main(source: Path, resized: Path) -> None:
    """Turn every photograph of a folder into an upright 8-bit grey square PNG, and write a manifest of them.

    source   the photographs, one folder a class; never written to
    resized  where the squares go, one folder a class, with manifest.csv; what stands there is replaced
    """
    params = load_section("resize", ResizeParams)
    listing = find_photographs(source)
    for path, reason in listing.ignored[:IGNORED_SHOWN]:
        logging.warning("resize: not a photograph: %s (%s)", shown(path), reason)
    if len(listing.ignored) > IGNORED_SHOWN:
        logging.warning("resize: and %d more that are not photographs", len(listing.ignored) - IGNORED_SHOWN)
    rows = resize_photographs(source, listing.photographs, resized, params)
    skipped = [row for row in rows if row.problem]
    for row in skipped:
        logging.warning("resize: skipped %s: %s", shown(row.path), row.problem)
    logging.info(
        "resize: %d photographs of %d classes to %dx%d grey, %d skipped, %d other files",
        len(rows) - len(skipped),
        len(listing.counts()),
        params.size,
        params.size,
        len(skipped),
        len(listing.ignored),
    )


if __name__ == "__main__":
    run(main)
