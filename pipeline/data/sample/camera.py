"""Light and camera: turns a scene into a grey photograph.

The settings are drawn without the condition, so nothing about a picture but the part itself tells its class.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.data.sample.fields import FloatArray
from pipeline.data.sample.scene import FRAME_COLUMNS, FRAME_ROWS, Scene

GreyImage = npt.NDArray[np.uint8]

SIZES = ((640, 480), (800, 600), (1024, 768), (1280, 960))  # columns, rows
SIZE_SHARES = (0.72, 0.17, 0.08, 0.03)


@dataclass(frozen=True)
class View:
    """What stays when the same part is photographed again: stand, lamp, lens and picture size."""

    size: tuple[int, int]  # columns, rows
    lamp_azimuth: float  # radians, in the frame
    lamp_elevation: float  # radians above the plate
    ambient: float  # light from all around, against 1 for the lamp
    sharpness: float  # exponent of the mirror-like reflection
    falloff: tuple[float, float]  # change of the light over half the frame, to the right and downwards
    vignette: float  # loss of light in the corners
    defocus: float  # blur in pixels of the reference frame
    motion: float  # length of the camera shake, same unit, 0 for none
    motion_angle: float  # radians


@dataclass(frozen=True)
class Exposure:
    """What changes between two exposures of the same part."""

    level: float  # mean of the linear picture before the tone curve
    gamma: float
    noise: float  # deviation of the sensor noise at mid grey, 0..1


def draw_view(rng: np.random.Generator) -> View:
    """Draw the stand, the lamp and the lens of one picture."""
    return View(
        size=SIZES[int(rng.choice(len(SIZES), p=SIZE_SHARES))],
        lamp_azimuth=float(rng.uniform(0, 2 * np.pi)),
        lamp_elevation=float(np.deg2rad(rng.uniform(32, 68))),
        ambient=float(rng.uniform(0.25, 0.6)),
        sharpness=float(rng.uniform(14, 60)),
        falloff=(float(rng.normal(0, 0.16)), float(rng.normal(0, 0.16))),
        vignette=float(rng.uniform(0.02, 0.35)),
        defocus=float(min(rng.lognormal(-0.35, 0.45), 2.4)),
        motion=float(rng.uniform(3, 8)) if rng.random() < 0.15 else 0.0,
        motion_angle=float(rng.uniform(0, np.pi)),
    )


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """Draw the exposure of one picture; the noise goes up as the light goes down, as with a raised gain."""
    level = float(np.clip(rng.lognormal(np.log(0.34), 0.28), 0.14, 0.62))
    return Exposure(level, float(rng.uniform(0.55, 0.85)), float(rng.uniform(0.006, 0.02) * (0.3 / level) ** 0.4))


def take_photograph(scene: Scene, view: View, exposure: Exposure, rng: np.random.Generator) -> GreyImage:
    """Light the scene, frame it, blur it and expose it; `rng` makes the sensor noise. uint8 (rows, columns)."""
    light = _focus(_frame(_light(scene, view), scene.angle, view), view)
    return _expose(light, exposure, rng)


def _light(scene: Scene, view: View) -> FloatArray:
    """Brightness of each canvas pixel, float32 >= 0: diffuse, mirror-like and ambient light on the relief."""
    azimuth = view.lamp_azimuth + scene.angle  # the lamp stands in the frame, the relief lies in the canvas
    level, up = np.cos(view.lamp_elevation), np.sin(view.lamp_elevation)
    lamp = np.array([level * np.cos(azimuth), level * np.sin(azimuth), up])
    middle = lamp + np.array([0.0, 0.0, 1.0])  # half way between the lamp and a camera straight above
    middle /= np.linalg.norm(middle)
    slope_x, slope_y = (
        np.asarray(cv2.Sobel(scene.height, cv2.CV_32F, *order, ksize=3, scale=1 / 8), dtype=np.float32)
        for order in ((1, 0), (0, 1))
    )
    steep = 1 / np.sqrt(1 + slope_x**2 + slope_y**2)
    diffuse = np.maximum(_facing(slope_x, slope_y, lamp) * steep, 0)
    mirror = np.exp(np.float32(view.sharpness) * (_facing(slope_x, slope_y, middle) * steep - 1))
    hollow = scene.height - _blur_at_half_size(scene.height, 5)
    ambient = np.float32(view.ambient) * np.clip(1 + hollow * np.float32(0.09), 0.25, 1.3)
    return np.asarray(scene.albedo * (diffuse + ambient) + scene.gloss * mirror, dtype=np.float32)


def _blur_at_half_size(image: FloatArray, deviation: float) -> FloatArray:
    """Gaussian blur for a deviation of a few pixels, several times cheaper than at full size."""
    small = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), deviation / 2)
    return np.asarray(cv2.resize(blurred, (image.shape[1], image.shape[0])), dtype=np.float32)


def _facing(slope_x: FloatArray, slope_y: FloatArray, direction: npt.NDArray[np.float64]) -> FloatArray:
    """Scalar product of the surface normal, not yet of unit length, with a direction (x, y, up)."""
    x, y, up = (np.float32(part) for part in direction)
    return up - x * slope_x - y * slope_y


def _frame(light: FloatArray, angle: float, view: View) -> FloatArray:
    """Turn the canvas into the frame at the picture size and apply the fall-off of lamp and lens."""
    columns, rows = view.size
    zoom = FRAME_COLUMNS / columns
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.array([light.shape[1], light.shape[0]]) / 2 - turn @ np.array([columns, rows]) / 2
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = np.column_stack([turn, shift])
    framed = cv2.warpAffine(light, matrix, view.size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    dim = np.float32(view.vignette / 2)
    lens = (1 + np.float32(view.falloff[0]) * x - dim * x**2) * (1 + np.float32(view.falloff[1]) * y - dim * y**2)
    return np.asarray(framed * np.maximum(lens, np.float32(0.2)), dtype=np.float32)


def _focus(light: FloatArray, view: View) -> FloatArray:
    """Blur by defocus and camera shake, both scaled to the picture size."""
    zoom = view.size[1] / FRAME_ROWS
    blurred = cv2.GaussianBlur(light, (0, 0), view.defocus * zoom)
    if view.motion > 0:
        blurred = cv2.filter2D(blurred, -1, _shake_kernel(view.motion * zoom, view.motion_angle))
    return np.asarray(blurred, dtype=np.float32)


def _shake_kernel(length: float, angle: float) -> FloatArray:
    """Kernel of a straight movement, float32 (n, n) with sum 1."""
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), dtype=np.float32)
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    start, stop = np.round((side // 2 - reach) * 16), np.round((side // 2 + reach) * 16)
    cv2.line(kernel, tuple(start.astype(int)), tuple(stop.astype(int)), 1.0, 1, cv2.LINE_8, 4)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _expose(light: FloatArray, exposure: Exposure, rng: np.random.Generator) -> GreyImage:
    """Meter for the mean, add shot and read noise, apply the tone curve. uint8 (rows, columns).

    The metering keeps the mean brightness from telling the condition (a hole would darken the picture).
    """
    linear = light * np.float32(exposure.level / float(light.mean()))
    noise = rng.standard_normal(linear.shape, dtype=np.float32)
    linear += np.float32(exposure.noise) * np.sqrt(np.float32(0.15) + linear) * noise
    step = np.clip(linear * 1023, 0, 2047).astype(np.int32)
    return np.asarray(_tone_curve(exposure.gamma)[step], dtype=np.uint8)


def _tone_curve(gamma: float) -> GreyImage:
    """Table of 2048 entries over linear light 0..2, uint8: a gamma curve with a soft shoulder to white."""
    curve = np.linspace(0, 2, 2048) ** gamma
    shoulder = np.where(curve < 0.75, curve, 0.75 + 0.25 * np.tanh((curve - 0.75) / 0.25))
    return np.asarray(np.round(255 * shoulder), dtype=np.uint8)
