"""Grey squares -> one array."""

import logging
from pathlib import Path

from pipeline.data.pack import pack
from pipeline.stage import only_one, run


def main(resized: Path, packed: Path, source: Path | None = None, *, verify: bool) -> None:
    """Pack the squares that `resize` made into images.npy, with labels.npy, index.csv and classes.json.

    resized   the contact sheets and their manifest.csv
    packed    where the four files go; rows that are good there already are copied
    source    the photographs, to check that none came, went or changed since `resize` looked; never written to
    --verify  trust nothing by its size and time: check every row that is copied
    """
    with only_one("pack_npy"):
        packed_set = pack(resized, packed, verify, source)
    logging.info("pack_npy: %s uint8, %d classes", packed_set.images.shape, len(packed_set.class_names))


if __name__ == "__main__":
    run(main)
