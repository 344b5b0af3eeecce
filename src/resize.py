"""Photographs -> grey squares of one size."""

import logging
from pathlib import Path

from pipeline.data.find import find_photographs
from pipeline.data.resize import ResizeParams, resize_photographs
from pipeline.params import load_section
from pipeline.stage import only_one, run
from pipeline.text import shown

IGNORED_SHOWN = 10


def main(source: Path, resized: Path, *, verify: bool) -> None:
    """Turn every photograph of a folder into an upright 8-bit grey square on a contact sheet, and write a manifest.

    source    the photographs, one folder a class; never written to
    resized   where the sheets go, one folder a class, with manifest.csv; what is good there already is kept
    --verify  trust nothing by its size and time: read every photograph and every sheet again
    """
    params = load_section("resize", ResizeParams)
    with only_one("resize"):
        listing = find_photographs(source)
        for path, reason in listing.ignored[:IGNORED_SHOWN]:
            logging.warning("resize: not a photograph: %s (%s)", shown(path), reason)
        if len(listing.ignored) > IGNORED_SHOWN:
            logging.warning("resize: and %d more that are not photographs", len(listing.ignored) - IGNORED_SHOWN)
        result = resize_photographs(source, listing, resized, params, verify)
    skipped = [row for row in result.rows if row.problem]
    for row in skipped:
        logging.warning("resize: skipped %s: %s", shown(row.path), row.problem)
    logging.info(
        "resize: %d photographs of %d classes to %dx%d grey, %d of them new; %d skipped, %d other files",
        len(result.rows) - len(skipped),
        len(listing.counts()),
        params.size,
        params.size,
        result.new,
        len(skipped),
        len(listing.ignored),
    )


if __name__ == "__main__":
    run(main)
