"""Random changes to whole batches of grey images, on the device that holds them.

Each switch says how far a property of the photograph may differ without its class changing. Amounts are drawn anew for
every image, uniformly between none and the amount given.
"""

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

WHITE = 255.0

Share = Annotated[float, Field(ge=0, le=1)]
SmallShare = Annotated[float, Field(ge=0, lt=1)]


class AugmentParams(BaseModel):
    """How strongly the training images are changed; 0 and false switch a change off."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    flip_horizontal: bool  # the mirror image, left for right, is of the same class
    flip_vertical: bool  # the mirror image, top for bottom, is of the same class
    rotation: float = Field(ge=0, le=180)  # degrees, to either side
    translation: Share  # of the image's side, along each axis
    scale: SmallShare  # 0.1: between 0.9 and 1.1 times the size
    brightness: Share  # of the range from black to white, up or down
    contrast: SmallShare  # 0.2: between 0.8 and 1.2 times the contrast
    blur: Share  # 1: up to a full 3 x 3 binomial blur, at the training resolution
    noise: Share  # largest standard deviation, of the range from black to white
    erase: SmallShare  # largest side of a rectangle set to the image's mean, of the image's side


def augment(images: Tensor, params: AugmentParams, generator: torch.Generator) -> Tensor:
    """Return changed copies of `images`: uint8 or float32 (B, 1, R, R), grey levels 0..255, as float32.

    The generator must be on the images' device. With everything off, the images are returned as they are.
    """
    if not any(params.model_dump().values()):
        return images
    images = _move(images.float(), params, generator)
    images = _change_grey_levels(images, params, generator)
    if params.erase:
        images = _erase(images, params.erase, generator)
    return images


def _move(images: Tensor, params: AugmentParams, generator: torch.Generator) -> Tensor:
    flips = params.flip_horizontal or params.flip_vertical
    if not (flips or params.rotation or params.translation or params.scale):
        return images
    grid = _grid(_affine_matrices(images, params, generator), *images.shape[2:])
    # Reflection continues a texture where a constant border would draw an edge that the net could learn.
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _affine_matrices(images: Tensor, params: AugmentParams, generator: torch.Generator) -> Tensor:
    """Return float32 (B, 2, 3): where each pixel of the new image comes from, with -1..1 as the image's extent."""
    count = len(images)
    angle = torch.deg2rad(_uniform(images, (count,), params.rotation, generator))
    size = 1 + _uniform(images, (count,), params.scale, generator)
    flip = torch.stack(
        [
            _random_sign(images, params.flip_horizontal, generator),
            _random_sign(images, params.flip_vertical, generator),
        ],
        dim=1,
    )
    cos, sin = torch.cos(angle), torch.sin(angle)
    rotation = torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)
    # The extent is 2 wide, hence twice the share.
    shift = _uniform(images, (count, 2, 1), 2 * params.translation, generator)
    return torch.cat([rotation * flip[:, None, :] / size[:, None, None], shift], dim=2)


def _grid(matrices: Tensor, height: int, width: int) -> Tensor:
    """Return what `F.affine_grid` does, float32 (B, H, W, 2): as a sum, which is far faster than matrix products."""
    across, down = (
        (2 * torch.arange(side, device=matrices.device, dtype=matrices.dtype) + 1) / side - 1
        for side in (width, height)
    )
    by_column = matrices[:, :, 0:1] * across
    by_row = matrices[:, :, 1:2] * down + matrices[:, :, 2:3]
    return (by_row[:, :, :, None] + by_column[:, :, None]).permute(0, 2, 3, 1)


def _change_grey_levels(images: Tensor, params: AugmentParams, generator: torch.Generator) -> Tensor:
    per_image = (len(images), 1, 1, 1)
    before = images
    if params.contrast or params.brightness:
        gain = 1 + _uniform(images, per_image, params.contrast, generator)
        offset = _uniform(images, per_image, params.brightness * WHITE, generator)
        images = torch.addcmul(images.mean(dim=(2, 3), keepdim=True) * (1 - gain) + offset, images, gain)
    if params.blur:
        share = _random(images, per_image, generator) * params.blur
        images = images + share * (_blurred(images) - images)
    if params.noise:
        sigma = _random(images, per_image, generator) * params.noise * WHITE
        images = images + sigma * torch.randn(
            images.shape, generator=generator, device=images.device, dtype=images.dtype
        )
    # A camera saturates too.
    return images if images is before else images.clamp_(0, WHITE)


def _blurred(images: Tensor) -> Tensor:
    row = torch.tensor([0.25, 0.5, 0.25], device=images.device, dtype=images.dtype)
    kernel = torch.outer(row, row)[None, None]
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), kernel)


def _erase(images: Tensor, largest: float, generator: torch.Generator) -> Tensor:
    count, _, height, width = images.shape
    rows = _random_interval(images, (count, 1, height, 1), 2, largest, generator)
    columns = _random_interval(images, (count, 1, 1, width), 3, largest, generator)
    return images.lerp(images.mean(dim=(2, 3), keepdim=True), rows * columns)


def _random_interval(
    images: Tensor, shape: tuple[int, ...], axis: int, largest: float, generator: torch.Generator
) -> Tensor:
    """Return 1 along `axis` of `shape` in one interval an image, at most `largest` long, and 0 elsewhere."""
    side = shape[axis]
    per_image = (shape[0], 1, 1, 1)
    length = _random(images, per_image, generator) * largest * side
    start = _random(images, per_image, generator) * (side - length)
    position = torch.arange(side, device=images.device, dtype=images.dtype).view(
        [-1 if i == axis else 1 for i in range(4)]
    )
    return ((position + 0.5 >= start) & (position + 0.5 < start + length)).to(images.dtype)


def _random(images: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return draws from 0..1 of `shape` where the images are."""
    return torch.rand(shape, generator=generator, device=images.device, dtype=images.dtype)


def _uniform(images: Tensor, shape: tuple[int, ...], most: float, generator: torch.Generator) -> Tensor:
    """Return draws from -most..most of `shape` where the images are."""
    return (2 * _random(images, shape, generator) - 1) * most


def _random_sign(images: Tensor, on: bool, generator: torch.Generator) -> Tensor:
    """Return 1 or -1 for each image, evenly; 1 alone where `on` is false."""
    flipped = _random(images, (len(images),), generator) < 0.5
    return 1 - 2 * (flipped & on).to(images.dtype)
