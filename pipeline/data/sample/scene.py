"""The welded part before any defect: a steel plate and a bead, as relief, reflectance and gloss.

The canvas has the bead running from left to right. The camera turns it later, which is why the canvas is
as large as the turned frame needs. Everything here is drawn alike for every condition.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.data.sample.fields import FloatArray, edge, smooth_field, smooth_line

FRAME_ROWS, FRAME_COLUMNS = 480, 640
RIPPLE_OVERSAMPLING = 4


@dataclass(frozen=True)
class Scene:
    """A part in canvas coordinates; the three images are float32 (rows, columns) and are drawn on in place."""

    height: FloatArray  # relief in pixels, 0 on the plate
    albedo: FloatArray  # diffuse reflectance, about 0..1
    gloss: FloatArray  # strength of the mirror-like reflection, about 0..1
    offset: FloatArray  # signed distance of a pixel from the centre line, across the bead
    centre: FloatArray  # (columns,) row of the centre line
    half_width: FloatArray  # (columns,) half the bead width
    angle: float  # turn of the frame against the canvas, radians
    visible: tuple[int, int]  # first and last column at which the centre line is in the frame

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the canvas."""
        return self.height.shape[0], self.height.shape[1]

    @property
    def mean_half_width(self) -> float:
        """Typical half width of the bead: defects scale with it, as they do with the weld pool."""
        return float(self.half_width.mean())

    def toe_distance(self, side: int) -> FloatArray:
        """Distance beyond the bead edge on one side (+1 below, -1 above); negative towards the bead."""
        return np.float32(side) * self.offset - self.half_width[None, :]

    def place_on_bead(self, rng: np.random.Generator, reach: float) -> tuple[float, float]:
        """Row and column of a random visible point of the bead, within `reach` (0..1) of its half width."""
        column = float(rng.uniform(*self.visible))
        across = float(rng.uniform(-reach, reach) * self.half_width[int(column)])
        return float(self.centre[int(column)]) + across, column


def draw_scene(rng: np.random.Generator) -> Scene:
    """Draw the plate and the bead, without look-alikes and without a defect."""
    scene = _lay_out(rng)
    _draw_plate(scene, rng)
    _draw_heat_tint(scene, rng)
    _draw_bead(scene, rng)
    return scene


def _draw_angle(rng: np.random.Generator) -> float:
    """Turn of the frame, radians: inspectors hold the camera along or across the seam more often than askew."""
    if rng.random() < 0.3:
        return float(rng.uniform(0, 2 * np.pi))
    return float(rng.choice([0.0, 0.0, 0.5, 1.0, 1.5]) * np.pi + rng.normal(0, 0.12))


def _lay_out(rng: np.random.Generator) -> Scene:
    """Choose the orientation, position, width and wander of the bead; the images are still flat and empty."""
    angle = _draw_angle(rng)
    cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
    rows = int(FRAME_COLUMNS * sin + FRAME_ROWS * cos) + 4
    columns = int(FRAME_COLUMNS * cos + FRAME_ROWS * sin) + 4
    width = rng.uniform(50, 112)
    wander = smooth_line(rng, columns, 260) * rng.uniform(0.5, 5) + smooth_line(rng, columns, 60) * rng.uniform(0, 1.0)
    centre = (rows / 2 + rng.normal(0, 34) + wander).astype(np.float32)
    uneven = smooth_line(rng, columns, 150) * rng.uniform(0.01, 0.04) + smooth_line(rng, columns, 18) * 0.012
    half_width = (width * (1 + uneven)).astype(np.float32)
    offset = np.arange(rows, dtype=np.float32)[:, None] - centre[None, :]
    return Scene(
        height=np.zeros_like(offset),
        albedo=np.zeros_like(offset),
        gloss=np.zeros_like(offset),
        offset=offset,
        centre=centre,
        half_width=half_width,
        angle=angle,
        visible=_visible_columns(angle, centre, rows),
    )


def _visible_columns(angle: float, centre: FloatArray, rows: int) -> tuple[int, int]:
    """First and last canvas column at which the centre line is well inside the turned frame."""
    along = np.arange(centre.size) - centre.size / 2
    across = centre - rows / 2
    x = np.cos(angle) * along + np.sin(angle) * across
    y = -np.sin(angle) * along + np.cos(angle) * across
    inside = np.flatnonzero((abs(x) < 0.42 * FRAME_COLUMNS) & (abs(y) < 0.42 * FRAME_ROWS))
    return (int(inside[0]), int(inside[-1])) if inside.size else (centre.size // 2 - 20, centre.size // 2 + 20)


def _draw_plate(scene: Scene, rng: np.random.Generator) -> None:
    """Rolled steel with scale and blotches, brushed or ground along one direction to a varied degree."""
    brushed, scale = rng.beta(1.2, 1.2), rng.uniform(0.01, 0.06)
    blotches = smooth_field(rng, scene.shape, (70, 90)) + 0.7 * smooth_field(rng, scene.shape, (14, 18))
    grain = smooth_field(rng, scene.shape, (2.2, 2.2))
    streaks = _draw_streaks(rng, scene.shape)
    scene.albedo[:] = rng.uniform(0.28, 0.5) + scale * blotches + 0.02 * grain + 0.045 * brushed * streaks
    scene.height[:] = 0.16 * brushed * streaks + 0.18 * (1 - brushed) * grain
    scene.gloss[:] = rng.uniform(0.05, 0.22) + 0.05 * brushed * streaks
    if rng.random() < 0.4:  # two plates of different finish, or a fillet whose plates face the light differently
        scene.albedo[scene.offset > 0] *= np.float32(rng.uniform(0.65, 1.4))


def _draw_streaks(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Brush marks of any direction, float32 of `shape`, deviation near 1."""
    turn = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)]) + rng.normal(0, 0.07)
    return _stretched_noise(rng, shape, turn, (1.6, 90)) + np.float32(0.6) * _stretched_noise(
        rng, shape, turn, (4, 200)
    )


def _stretched_noise(
    rng: np.random.Generator, shape: tuple[int, int], turn: float, cell: tuple[float, float]
) -> FloatArray:
    """Noise with features of `cell` (across, along) pixels in the direction `turn`, float32 of `shape`.

    A coarse grid is enlarged and turned in one step, which spares a second image of the diagonal's size.
    """
    side = np.hypot(*shape)
    grid = (int(side / cell[0]) + 4, int(side / cell[1]) + 4)
    coarse = rng.standard_normal(grid, dtype=np.float32)
    along, across = (
        np.array([np.cos(turn), np.sin(turn)]) / cell[1],
        np.array([-np.sin(turn), np.cos(turn)]) / cell[0],
    )
    matrix = np.zeros((2, 3))
    matrix[:, :2] = along, across
    matrix[:, 2] = np.array([grid[1], grid[0]]) / 2 - matrix[:, :2] @ np.array([shape[1], shape[0]]) / 2
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(coarse, matrix, (shape[1], shape[0]), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(turned, dtype=np.float32)


def _draw_heat_tint(scene: Scene, rng: np.random.Generator) -> None:
    """Oxide bands along both sides: soot or a cleaned strip at the toe, then lighter and darker tints.

    Worked out at half size: the bands are smooth, and their sharp inner edge lies under the bead.
    """
    offset, half_width = scene.offset[::2, ::2], scene.half_width[None, ::2]
    reach = scene.mean_half_width * rng.uniform(0.35, 0.9)
    ragged = smooth_field(rng, (offset.shape[0], offset.shape[1]), (12, 30)) * np.float32(rng.uniform(0.05, 0.2))
    distance = np.maximum(np.abs(offset) - half_width, 0) / np.float32(reach) + ragged
    strength = rng.uniform(0.1, 0.45)
    near = np.float32(rng.uniform(-1, 0.35)) * np.exp(-((distance / np.float32(0.35)) ** 2))
    middle = np.exp(-(((distance - 1) / np.float32(rng.uniform(0.25, 0.45))) ** 2))
    far = np.exp(-(((distance - np.float32(rng.uniform(1.7, 2.2))) / np.float32(0.5)) ** 2))
    tint = 1 + np.float32(strength) * (near + np.float32(0.45) * middle - np.float32(0.6) * far)
    scene.albedo[:] *= cv2.resize(tint, (scene.shape[1], scene.shape[0]), interpolation=cv2.INTER_LINEAR)


def _ripple_table(rng: np.random.Generator, length: int, period: float) -> FloatArray:
    """Profile of the solidification ripples along the bead, float32, RIPPLE_OVERSAMPLING samples a pixel, 0..1.

    Each ripple is a ramp with a short fall, as the pool freezes in steps; periods and heights vary.
    """
    count = int(length / period * 1.5) + 4
    edges = np.concatenate([[0.0], np.cumsum(period * rng.uniform(0.65, 1.35, count))])
    level = rng.uniform(0.45, 1.0, count)
    position = np.arange(length * RIPPLE_OVERSAMPLING) / RIPPLE_OVERSAMPLING
    step = np.clip(np.searchsorted(edges, position, side="right") - 1, 0, count - 1)
    fraction = (position - edges[step]) / (edges[step + 1] - edges[step])
    ramp = (level[step] * fraction**1.3).astype(np.float32)
    blurred = cv2.GaussianBlur(ramp[None, :], (0, 0), sigmaX=period * 0.12 * RIPPLE_OVERSAMPLING, sigmaY=0.1)
    return np.asarray(blurred[0], dtype=np.float32)


def _draw_bead(scene: Scene, rng: np.random.Generator) -> None:
    """A convex bead with crescent ripples, drawn on the rows it covers."""
    half = scene.mean_half_width
    top = max(0, int((scene.centre - scene.half_width).min()) - 4)
    bottom = min(scene.shape[0], int((scene.centre + scene.half_width).max()) + 4)
    band = slice(top, bottom)
    share = scene.offset[band] / scene.half_width[None, :]
    ripples = _draw_ripples(rng, share, half)
    crown = np.maximum(1 - share**2, 0) ** np.float32(rng.uniform(0.6, 1.0))
    cover = edge((np.abs(share) - 1) * np.float32(half), 3.0)
    relief = rng.uniform(0.22, 0.42) * half * crown + rng.uniform(0.8, 2.6) * ripples * np.sqrt(crown)
    mottle = smooth_field(rng, share.shape, (9, 14))
    patches = smooth_field(rng, share.shape, (40, 60))
    tone = rng.uniform(0.3, 0.6) * (1 + 0.25 * (ripples - 0.4) + 0.06 * mottle + 0.08 * patches)
    shine = rng.uniform(0.2, 0.65) * (1 + 0.25 * patches + 0.15 * mottle)
    relief += 0.12 * smooth_field(rng, share.shape, (3, 3)) + 0.3 * mottle
    for image, drawn in ((scene.height, relief), (scene.albedo, tone), (scene.gloss, shine)):
        image[band] += cover * (drawn.astype(np.float32) - image[band])


def _draw_ripples(rng: np.random.Generator, share: FloatArray, half: float) -> FloatArray:
    """Ripple relief 0..1 over the bead band; `share` is the place across the bead, -1..1 from toe to toe."""
    bend = rng.uniform(0.35, 0.95) * half * rng.choice([-1, 1])
    bow = np.abs(np.clip(share, -1.2, 1.2)) ** np.float32(rng.uniform(1.3, 2.4)) * np.float32(bend)
    wobble = smooth_field(rng, share.shape, (18, 30)) * np.float32(rng.uniform(0.5, 2.5))
    along = np.arange(share.shape[1], dtype=np.float32)[None, :] + bow + wobble + 160
    table = _ripple_table(rng, share.shape[1] + 320, half * rng.uniform(0.13, 0.34))
    index = np.clip(along * RIPPLE_OVERSAMPLING, 0, table.size - 1).astype(np.int32)
    return np.asarray(table[index], dtype=np.float32)
