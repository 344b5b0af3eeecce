"""Public sets of real photographs that a Python package brings, laid out as a folder a class."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from pipeline.errors import DataError
from pipeline.files import new_folder

ELPV_LICENCE = (
    "ELPV: 2,624 electroluminescence photographs of solar cells, 300x300. Images: CC BY-NC-SA 4.0 (no commercial use; "
    "name the authors; share alike). Cite Buerhop-Lutz et al. 2018 and Deitsch et al. 2019, 2021."
)
# The experts' answers in the set: how likely it is that the cell is defective.
ELPV_CLASSES = {0.0: "functional", 1 / 3: "possibly_defective", 2 / 3: "probably_defective", 1.0: "defective"}


def import_elpv(target: Path) -> int:
    """Write the photographs of the package elpv-dataset to `target`, a folder a class; return their number.

    Raises
    ------
    DataError
        If the package is not installed.
    """
    if find_spec("elpv_dataset") is None:
        raise DataError(
            "import elpv: wanted the package elpv-dataset, found none; `pip install elpv-dataset` brings it"
        )
    from elpv_dataset.utils import load_dataset

    images, probabilities, _ = load_dataset()
    levels = np.array(list(ELPV_CLASSES))
    with new_folder(target) as folder:
        for name in ELPV_CLASSES.values():
            (folder / name).mkdir()
        for number, (image, probability) in enumerate(zip(tqdm(images, disable=None), probabilities, strict=True), 1):
            nearest = levels[np.abs(levels - probability).argmin()]
            _, png = cv2.imencode(".png", image)
            (folder / ELPV_CLASSES[nearest] / f"cell{number:04d}.png").write_bytes(png.tobytes())
    return len(images)
