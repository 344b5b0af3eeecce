"""Grey squares -> one array."""

import logging
from pathlib import Path

from pipeline.data.packed import pack
from pipeline.stage import run


def main(resized: Path, packed: Path) -> None:
    """Pack the squares that `resize` made into images.npy, with labels.npy, index.csv and classes.json.

    resized  the squares and their manifest.csv
    packed   where the four files go; what stands there is replaced
    """
    packed_set = pack(resized, packed)
    logging.info("pack_npy: %s uint8, %d classes", packed_set.images.shape, len(packed_set.class_names))


if __name__ == "__main__":
    run(main)
