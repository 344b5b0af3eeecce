"""Draw the embedded sample set."""

import logging
from pathlib import Path

from pipeline.data.sample import SampleParams, draw_sample_set
from pipeline.files import new_folder
from pipeline.params import load_section
from pipeline.stage import run


def main(folder: Path) -> None:
    """Draw the embedded sample set: photographs of a weld seam that never was, one folder a class.

    folder  where the set is to stand; what stands there is replaced
    """
    params = load_section("sample", SampleParams)
    with new_folder(folder) as partial:
        counts = draw_sample_set(partial, params)
    logging.info("sample: drew %d photographs of %d classes into %s", sum(counts.values()), len(counts), folder)


if __name__ == "__main__":
    run(main)
