"""The embedded sample set: drawn photographs of weld seams, one folder a condition, few and uneven.

It lets anyone run the pipeline within minutes. The pictures are drawn, not taken: a figure measured on them
says nothing about real welds. One seed gives the same bytes on the same machine and library versions.
"""

from pathlib import Path
from typing import Annotated

import cv2
from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.data.parallel import map_threads
from pipeline.data.sample.camera import Exposure, GreyImage, View, draw_exposure, draw_view, take_photograph
from pipeline.data.sample.defects import CONDITIONS
from pipeline.data.sample.fields import random_stream
from pipeline.data.sample.lookalikes import add_lookalikes
from pipeline.data.sample.scene import draw_scene

__all__ = [
    "CONDITIONS",
    "SampleParams",
    "camera_settings",
    "draw_photograph",
    "draw_sample_set",
    "photograph_name",
]

SECOND_EXPOSURE_EVERY, SECOND_EXPOSURE_FIRST = 25, 12
PNG_SHARE = 0.03
JPEG_QUALITY = 90


class SampleParams(BaseModel):
    """Parameters of the sample set: its seed and the number of photographs of each condition."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    seed: Annotated[int, Field(ge=0)]
    counts: dict[str, Annotated[int, Field(ge=0)]]

    @field_validator("counts")
    @classmethod
    def _conditions_are_known(cls, counts: dict[str, int]) -> dict[str, int]:
        """Refuse a condition that has no marker: it would otherwise be drawn as a sound bead."""
        unknown = sorted(set(counts) - set(CONDITIONS))
        if unknown:
            raise ValueError(f"wanted conditions of {', '.join(CONDITIONS)}, found {', '.join(unknown)}")
        return counts


def _is_second_exposure(index: int) -> bool:
    """Whether photograph `index` (from 1) shows the part of the one before it again, at another exposure."""
    return index % SECOND_EXPOSURE_EVERY == SECOND_EXPOSURE_FIRST


def photograph_name(condition: str, index: int, seed: int) -> str:
    """File name of photograph `index` (from 1); a second exposure has its part's number and the suffix `_b`."""
    suffix = ".png" if random_stream(seed, "format", index).random() < PNG_SHARE else ".jpg"
    if _is_second_exposure(index):
        return f"{condition}_{index - 1:04d}_b{suffix}"
    return f"{condition}_{index:04d}{suffix}"


def camera_settings(index: int, seed: int) -> tuple[View, Exposure]:
    """View and exposure of photograph `index`; the condition is not an argument, so that they cannot tell it."""
    part = index - 1 if _is_second_exposure(index) else index
    return draw_view(random_stream(seed, "view", part)), draw_exposure(random_stream(seed, "exposure", index))


def draw_photograph(condition: str, index: int, seed: int) -> GreyImage:
    """Draw photograph `index` (from 1) of a condition, uint8 (rows, columns), at least 480 x 640."""
    if condition not in CONDITIONS:
        raise ValueError(f"unknown condition {condition!r}; known are {list(CONDITIONS)}")
    if index < 1:
        raise ValueError(f"photographs are counted from 1, got {index}")
    part = index - 1 if _is_second_exposure(index) else index
    scene = draw_scene(random_stream(seed, condition, part, "scene"))
    add_lookalikes(scene, random_stream(seed, condition, part, "lookalikes"))
    CONDITIONS[condition](scene, random_stream(seed, condition, part, "defect"))
    view, exposure = camera_settings(index, seed)
    return take_photograph(scene, view, exposure, random_stream(seed, condition, index, "noise"))


def _write_photograph(path: Path, image: GreyImage) -> None:
    """Encode by the suffix and write through `open`: cv2.imwrite hides a full disk behind a return value."""
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == ".jpg" else []
    done, encoded = cv2.imencode(path.suffix, image, options)
    if not done:
        raise RuntimeError(f"could not encode {path.name}")
    with path.open("wb") as file:
        file.write(encoded.tobytes())


def draw_sample_set(folder: Path, params: SampleParams) -> dict[str, int]:
    """Draw the set into `folder`, which is empty or not there yet; return the number of each condition."""
    for condition in params.counts:
        (folder / condition).mkdir(parents=True, exist_ok=True)
    wanted = [(condition, i) for condition, count in params.counts.items() for i in range(1, count + 1)]

    def draw_one(job: tuple[str, int]) -> None:
        condition, index = job
        path = folder / condition / photograph_name(condition, index, params.seed)
        _write_photograph(path, draw_photograph(condition, index, params.seed))

    for _ in map_threads(draw_one, wanted, progress="sample"):
        pass
    return dict(params.counts)
