"""The defects, after the groups of ISO 6520-1, each marked on a scene with a severity from plain to marginal."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.data.sample.fields import FloatArray, edge, line_mask, smooth_field, smooth_line, window_around
from pipeline.data.sample.scene import Scene

Marker = Callable[[Scene, np.random.Generator], None]


def draw_severity(rng: np.random.Generator) -> float:
    """How plain the defect is, 0.5 (faint) to 1; every defect uses the same law."""
    return float(0.5 + 0.5 * rng.beta(2.0, 1.2))


def stamp_pore(
    scene: Scene, rng: np.random.Generator, row: float, column: float, radius: float, darkness: float
) -> None:
    """A roundish pit with a raised rim, which the light turns into a bright ring around a dark spot."""
    window = window_around(scene.shape, row, column, radius * 2.4)
    lean = np.float32(rng.normal(0, 0.25))
    distance = np.sqrt((window.dx * np.float32(rng.uniform(0.8, 1.1)) + lean * window.dy) ** 2 + window.dy**2)
    pit = edge(distance - np.float32(radius), max(1.2, radius * rng.uniform(0.3, 0.9)))
    rim = np.exp(-(((distance - np.float32(radius * 1.25)) / np.float32(radius * 0.3 + 0.4)) ** 2))
    rim *= np.float32(rng.uniform(0.3, 1.1))
    scene.height[window.area] += np.float32(radius) * (np.float32(0.22) * rim - np.float32(0.8) * pit)
    scene.albedo[window.area] *= 1 + np.float32(0.25) * rim - np.float32(darkness) * pit
    scene.gloss[window.area] *= 1 + np.float32(0.5) * rim - np.float32(0.95) * pit


def stamp_drop(scene: Scene, row: float, column: float, radius: float, tone: float) -> None:
    """A solidified droplet: a cap that stands on the surface, with a dark seam where it meets it."""
    window = window_around(scene.shape, row, column, radius * 1.8)
    cap = np.sqrt(np.maximum(1 - (window.distance / np.float32(radius)) ** 2, 0))
    cover = edge(window.distance - np.float32(radius), 1.5)
    seam = np.exp(-(((window.distance - np.float32(radius * 1.1)) / np.float32(radius * 0.22 + 0.5)) ** 2))
    scene.height[window.area] += np.float32(0.75 * radius) * cap
    scene.albedo[window.area] += cover * (np.float32(tone) - scene.albedo[window.area])
    scene.albedo[window.area] *= 1 - np.float32(0.45) * seam
    scene.gloss[window.area] += cover * (np.float32(0.25 + 0.5 * tone) - scene.gloss[window.area])


def scatter_drops(scene: Scene, rng: np.random.Generator, count: int, radius: float, spread: float) -> None:
    """Droplets on the plate beside the bead, thinning out with `spread` pixels; most small, a few large."""
    for _ in range(count):
        column = rng.uniform(0, scene.shape[1] - 1)
        away = scene.half_width[int(column)] * rng.uniform(0.9, 1.2) + rng.exponential(spread)
        row = float(scene.centre[int(column)]) + away * rng.choice([-1, 1])
        stamp_drop(scene, row, column, min(radius * rng.lognormal(0, 0.4), 13.0), rng.uniform(0.1, 0.75))


def _envelope(scene: Scene, rng: np.random.Generator, share: float, ramp: float) -> FloatArray:
    """Where along the seam a defect runs, float32 (columns,) 0..1: one stretch, `share` of the visible seam.

    It fades in and out over `ramp` pixels.
    """
    first, last = scene.visible
    length = max(30.0, share * (last - first))
    start = rng.uniform(first, max(first + 1.0, last - length))
    columns = np.arange(scene.shape[1], dtype=np.float32)
    along = np.minimum(edge(np.float32(start) - columns, ramp), edge(columns - np.float32(start + length), ramp))
    return np.asarray(along**2 * (3 - 2 * along), dtype=np.float32)


def mark_nothing(scene: Scene, rng: np.random.Generator) -> None:
    """A sound bead is left as it is."""


def mark_porosity(scene: Scene, rng: np.random.Generator) -> None:
    """Gas pores in one or two clusters on the bead."""
    severity = draw_severity(rng)
    scale = scene.mean_half_width / 52
    for _ in range(rng.integers(1, 3)):
        centre_row, centre_column = scene.place_on_bead(rng, 0.45)
        for _ in range(int(rng.integers(3, 6) + severity * rng.uniform(2, 20))):
            row = centre_row + rng.normal(0, 0.28 * scene.mean_half_width)
            column = centre_column + rng.normal(0, (0.4 + 0.6 * severity) * scene.mean_half_width)
            radius = (2.4 + 3.4 * severity) * scale * rng.lognormal(0, 0.35)
            stamp_pore(scene, rng, row, column, radius, rng.uniform(0.5, 0.9))


def _walk(
    rng: np.random.Generator, start: tuple[float, float], heading: float, length: float
) -> npt.NDArray[np.float64]:
    """A jagged path (n, 2 as column, row): the heading jumps at every grain but is pulled back to its mean."""
    steps = max(3, int(length / 6))
    turns = heading + rng.normal(0, 0.55, steps)
    stride = length / steps * rng.uniform(0.5, 1.5, steps)
    moves = np.stack([np.cos(turns) * stride, np.sin(turns) * stride], axis=1)
    return np.concatenate([[start], np.asarray(start) + np.cumsum(moves, axis=0)])


def mark_crack(scene: Scene, rng: np.random.Generator) -> None:
    """A thin dark jagged line along or across the bead, with branches on the larger ones."""
    severity = draw_severity(rng)
    width = (0.028 + 0.042 * severity) * scene.mean_half_width
    mask = np.zeros(scene.shape, dtype=np.float32)
    for path in _crack_paths(scene, rng, severity):
        taper = np.sin(np.pi * np.linspace(0.12, 0.9, len(path) - 1)) * rng.uniform(0.7, 1.2, len(path) - 1)
        mask = np.maximum(mask, line_mask(scene.shape, path, (width * taper).astype(np.float32)))
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.7), dtype=np.float32)
    scene.height[:] -= mask * np.float32(1.5 + 2 * severity)
    scene.albedo[:] *= 1 - mask * np.float32(0.55 + 0.4 * severity)
    scene.gloss[:] *= 1 - mask * np.float32(0.95)


def _crack_paths(scene: Scene, rng: np.random.Generator, severity: float) -> list[npt.NDArray[np.float64]]:
    """The crack and its branches, each (n, 2) as column, row; the middle of the crack is on the bead."""
    row, column = scene.place_on_bead(rng, 0.3)
    across = rng.random() < 0.4
    heading = (np.pi / 2 if across else 0.0) + rng.normal(0, 0.2) + np.pi * rng.integers(0, 2)
    length = scene.mean_half_width * ((1.0 + severity) if across else (1.5 + 3.5 * severity))
    start = (column - np.cos(heading) * length / 2, row - np.sin(heading) * length / 2)
    paths = [_walk(rng, start, heading, length)]
    for _ in range(int(rng.uniform(0, 4.5) * severity)):
        fork = paths[0][rng.integers(1, len(paths[0]) - 1)]
        aside = rng.choice([-1, 1]) * rng.uniform(0.4, 1.0)
        paths.append(_walk(rng, (fork[0], fork[1]), heading + aside, length * 0.3))
    return paths


def mark_undercut(scene: Scene, rng: np.random.Generator) -> None:
    """A groove melted into the plate along the toe and not filled, of uneven depth, on one side or on both."""
    severity = draw_severity(rng)
    both = rng.random() < 0.3
    for side in (-1, 1) if both else (rng.choice([-1, 1]),):
        along = _envelope(scene, rng, rng.uniform(0.35, 0.6) + 0.4 * severity, 25.0)
        along = along * np.clip(0.75 + 0.4 * smooth_line(rng, scene.shape[1], 45), 0.15, 1.2)
        width = scene.mean_half_width * (0.05 + 0.07 * severity) * rng.uniform(0.8, 1.2)
        distance = scene.toe_distance(int(side)) - np.float32(width * 0.6)
        groove = np.exp(-((distance / np.float32(width)) ** 2)) * along[None, :]
        scene.height[:] -= groove * np.float32(width * (0.7 + 0.8 * severity))
        scene.albedo[:] *= 1 - groove * np.float32(0.3 + 0.4 * severity)
        scene.gloss[:] *= 1 - groove * np.float32(0.7)


def mark_lack_of_fusion(scene: Scene, rng: np.random.Generator) -> None:
    """Weld metal that lies on the plate without joining it: a rolled-over edge above a sharp straight line."""
    severity = draw_severity(rng)
    half = scene.mean_half_width
    side = int(rng.choice([-1, 1]))
    along = _envelope(scene, rng, rng.uniform(0.4, 0.6) + 0.4 * severity, 50.0)
    toe = scene.centre + side * scene.half_width
    ends = np.flatnonzero(along > 0.5)[[0, -1]]
    straight = np.interp(np.arange(toe.size), ends, toe[ends]) + side * half * (0.02 + 0.12 * severity)
    lip = (toe + along * (straight - toe)).astype(np.float32)
    distance = np.float32(side) * (np.arange(scene.shape[0], dtype=np.float32)[:, None] - lip[None, :])
    _lay_lip(scene, rng, distance, along * np.float32(0.06 + 0.08 * severity))
    gap = np.exp(-((distance / np.float32(half * (0.02 + 0.025 * severity))) ** 2)) * along[None, :]
    shade = np.exp(-np.maximum(distance, 0) / np.float32(half * 0.1)) * (distance > 0) * along[None, :]
    scene.albedo[:] *= 1 - gap * np.float32(0.45 + 0.4 * severity)
    scene.albedo[:] *= 1 - shade * np.float32(0.1 + 0.25 * severity)
    scene.gloss[:] *= 1 - gap


def _lay_lip(scene: Scene, rng: np.random.Generator, distance: FloatArray, lift: FloatArray) -> None:
    """Let the bead run out to `distance` 0 as a round lip, `lift` (columns,) high as a share of the half width."""
    half = scene.mean_half_width
    wavy = 1 + 0.1 * smooth_line(rng, scene.shape[1], half * 0.2)
    roll = np.float32(half * rng.uniform(0.1, 0.18))
    rounded = np.sqrt(np.clip(1 - (np.maximum(distance + roll, 0) / roll) ** 2, 0, 1))
    covered = edge(distance, 2.0) * edge(-distance - np.float32(half * 0.45), 8.0) * (lift > 0)[None, :]
    bead = np.abs(scene.offset) < 0.6 * scene.half_width[None, :]
    fresh = covered * edge(np.float32(0.9) * scene.half_width[None, :] - np.abs(scene.offset), 8.0)
    for surface in (scene.albedo, scene.gloss):
        tone = np.float32(surface[bead].mean()) * (1 + 0.08 * smooth_line(rng, scene.shape[1], 14))
        surface[:] += fresh * (tone[None, :] - surface)
    rough = 0.25 * rounded * smooth_field(rng, scene.shape, (5, 7))
    raised = np.maximum(scene.height, rounded * (lift * wavy * np.float32(half))[None, :] + rough)
    scene.height[:] += covered * (raised - scene.height)


def mark_burn_through(scene: Scene, rng: np.random.Generator) -> None:
    """The pool has dropped out: the bead sinks towards a dark ragged hole with an irregular bright rim."""
    severity = draw_severity(rng)
    row, column = scene.place_on_bead(rng, 0.25)
    radius = np.float32(scene.mean_half_width * (0.3 + 0.55 * severity))
    window = window_around(scene.shape, row, column, float(radius) * 3.2)
    bearing = np.arctan2(window.dy, window.dx * np.float32(rng.uniform(0.6, 0.95)))
    distance = window.distance - radius * (1 + _around(rng, bearing, 0.22))
    hole = edge(distance, 3.0)
    sink = np.exp(-((np.maximum(distance, 0) / (radius * np.float32(0.7))) ** 2))
    thickness = radius * np.float32(0.13) * np.clip(1 + _around(rng, bearing, 0.9), 0.3, 2.2)
    rim = np.exp(-(((distance - thickness) / thickness) ** 2)) * np.clip(0.7 + _around(rng, bearing, 0.9), 0.1, 1.3)
    depth = np.clip(-distance / (radius * np.float32(rng.uniform(0.3, 0.7))), 0, 1)
    scene.height[window.area] += radius * (np.float32(0.14) * rim - np.float32(0.4) * sink)
    scene.height[window.area] -= hole * depth * radius * np.float32(0.8)
    scene.albedo[window.area] *= 1 - np.float32(0.3) * sink + np.float32(0.3) * rim
    wall = np.float32(rng.uniform(0.02, 0.05)) + np.float32(rng.uniform(0.05, 0.2)) * (1 - depth) ** 2
    scene.albedo[window.area] += hole * (wall - scene.albedo[window.area])
    scene.gloss[window.area] *= (1 + np.float32(0.4) * rim) * (1 - hole)


def _around(rng: np.random.Generator, bearing: FloatArray, strength: float) -> FloatArray:
    """Irregularity around a closed outline: random waves that get weaker as they get shorter."""
    sum_of_waves = np.zeros_like(bearing)
    for waves in range(2, 10):
        amplitude, phase = np.float32(rng.normal(0, strength / waves)), np.float32(rng.uniform(0, 2 * np.pi))
        sum_of_waves += amplitude * np.cos(waves * bearing + phase)
    return sum_of_waves


def mark_spatter(scene: Scene, rng: np.random.Generator) -> None:
    """Many droplets thrown out of the pool, on the plate to both sides of the bead."""
    severity = draw_severity(rng)
    count = int(rng.integers(12, 22) + severity * rng.uniform(20, 70))
    scatter_drops(scene, rng, count, 3.0 + 2.5 * severity, rng.uniform(30, 90))


CONDITIONS: Mapping[str, Marker] = MappingProxyType(
    {
        "sound_bead": mark_nothing,
        "porosity": mark_porosity,
        "crack": mark_crack,
        "undercut": mark_undercut,
        "lack_of_fusion": mark_lack_of_fusion,
        "burn_through": mark_burn_through,
        "spatter": mark_spatter,
    }
)
