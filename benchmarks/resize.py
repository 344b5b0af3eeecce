"""Photograph -> grey 224 square, ours beside others, in one run: `python benchmarks/resize.py [FOLDER]`.

FOLDER holds JPEGs; without one, three kinds are drawn: soft ones of 1280x960, sharp ones of that size with grain in
every pixel, and ones of 4000x3000 as a camera makes them. Each way runs on one thread and on two, in turns, and its
fastest turn counts: other work on the machine only adds. The last two columns say how far its grey levels are from
those of a full decode averaged over areas (OpenCV's INTER_AREA): the mean difference, of all and of the worst.
"""

import argparse
import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from pipeline.data.squares import read_square

SIZE = 224
TURNS = 9


def draw(seed: int, blur: float) -> np.ndarray:
    """Draw a picture of 1280x960: broad light, details, and grain, blurred by so many pixels: float32 (H, W)."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.uniform(50, 180, (12, 16)).astype(np.float32), (1280, 960), interpolation=cv2.INTER_CUBIC)
    image += cv2.GaussianBlur(rng.normal(0, 60, (960, 1280)).astype(np.float32), (0, 0), 4)
    image += rng.normal(0, 8, image.shape).astype(np.float32)
    return cv2.GaussianBlur(image, (0, 0), blur) if blur else image


def draw_camera(seed: int) -> np.ndarray:
    """Draw a picture of 4000x3000 with details down to two pixels, and a sensor's noise: float32 (H, W)."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.uniform(50, 180, (12, 16)).astype(np.float32), (4000, 3000), interpolation=cv2.INTER_CUBIC)
    for pixels in (2, 8, 32):
        detail = rng.normal(0, 12, (3000 // pixels, 4000 // pixels)).astype(np.float32)
        image += cv2.resize(detail, (4000, 3000), interpolation=cv2.INTER_CUBIC)
    image = cv2.GaussianBlur(image, (0, 0), 1.2)
    return cv2.GaussianBlur(image + rng.normal(0, 4, image.shape).astype(np.float32), (0, 0), 0.6)


def as_jpeg(image: np.ndarray) -> bytes:
    colour = cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    return cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def reference(data: bytes) -> np.ndarray:
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(grey, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def ours(data: bytes) -> np.ndarray:
    return read_square(data, SIZE)


def plain_script(data: bytes) -> np.ndarray:
    grey = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def peers() -> dict[str, Callable[[bytes], np.ndarray]]:
    found: dict[str, Callable[[bytes], np.ndarray]] = {"plain script": plain_script}
    from PIL import Image

    def pillow(data: bytes, draft: bool = False) -> np.ndarray:
        image = Image.open(io.BytesIO(data))
        if draft:
            image.draft("L", (SIZE, SIZE))
        return np.asarray(image.convert("L").resize((SIZE, SIZE), Image.Resampling.BOX))

    found["Pillow"] = pillow
    found["Pillow, draft"] = lambda data: pillow(data, draft=True)
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg
    from torchvision.transforms.v2.functional import resize

    torch.set_num_threads(1)
    found["torchvision"] = lambda data: resize(
        decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.GRAY),
        [SIZE, SIZE],
        antialias=True,
    )[0].numpy()
    try:
        import pyvips

        found["pyvips"] = lambda data: (
            pyvips.Image.thumbnail_buffer(data, SIZE, height=SIZE, size="force").colourspace("b-w").numpy()
        )
    except (ImportError, OSError):
        print("pyvips is left out: pip install pyvips-binary pyvips")
    return found


def seconds(function: Callable[[bytes], np.ndarray], files: list[bytes], threads: int) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(function, files))
    return (time.perf_counter() - start) / len(files)


def compare(title: str, files: list[bytes]) -> None:
    ways = {"ours": ours} | peers()
    print(f"\n{title}: {len(files)} files, {sum(map(len, files)) / len(files) / 1024:.0f} KiB each")
    print(f"{'':<14}  ms a core  ms on two  ours is faster by  mean difference  worst")
    taken = {(name, threads): [] for name in ways for threads in (1, 2)}
    for _ in range(TURNS):
        for name, function in ways.items():
            for threads in (1, 2):
                taken[name, threads].append(seconds(function, files, threads))
    best = {key: 1000 * min(values) for key, values in taken.items()}
    for name, function in ways.items():
        differences = [np.abs(function(data).astype(float) - reference(data)).mean() for data in files[:10]]
        ratios = f"{best[name, 1] / best['ours', 1]:.2f} / {best[name, 2] / best['ours', 2]:.2f}"
        print(
            f"{name:<14}  {best[name, 1]:9.2f}  {best[name, 2]:9.2f}  {ratios:>17}"
            f"  {np.mean(differences):15.2f}  {max(differences):5.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    folder = parser.parse_args().folder
    cv2.setNumThreads(1)
    if folder:
        compare(str(folder), [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))[:200]])
        return
    compare("soft, 1280x960", [as_jpeg(draw(seed, 2.0)) for seed in range(24)])
    compare("sharp, 1280x960", [as_jpeg(draw(seed, 0)) for seed in range(24)])
    compare("camera, 4000x3000", [as_jpeg(draw_camera(seed)) for seed in range(4)])


if __name__ == "__main__":
    main()
