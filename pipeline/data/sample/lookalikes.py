"""Harmless things that resemble a defect; they are drawn on every photograph by the same law."""

import numpy as np

from pipeline.data.sample.defects import scatter_drops, stamp_pore
from pipeline.data.sample.fields import line_mask, smooth_field, smooth_line, window_around
from pipeline.data.sample.scene import Scene


def add_lookalikes(scene: Scene, rng: np.random.Generator) -> None:
    """Dust, scratches, a few droplets, slag islands, shallow dimples, a dark toe and a soft shadow, each by chance."""
    if rng.random() < 0.6:
        _add_dust(scene, rng)
    if rng.random() < 0.5:
        _add_scratches(scene, rng)
    if rng.random() < 0.4:
        scatter_drops(scene, rng, int(rng.integers(1, 6)), 2.6, rng.uniform(30, 120))
    if rng.random() < 0.18:
        _add_slag(scene, rng)
    if rng.random() < 0.15:
        for _ in range(rng.integers(1, 3)):
            row, column = scene.place_on_bead(rng, 0.7)
            stamp_pore(scene, rng, row, column, rng.uniform(1.8, 3.6), rng.uniform(0.2, 0.5))
    if rng.random() < 0.2:
        _darken_toe(scene, rng)
    if rng.random() < 0.2:
        _add_shadow(scene, rng)


def _add_dust(scene: Scene, rng: np.random.Generator) -> None:
    """Flat dark or light specks anywhere: they lack the rim of a pore and the shine of a droplet."""
    for _ in range(rng.integers(1, 14)):
        row, column = rng.uniform(0, scene.shape[0]), rng.uniform(0, scene.shape[1])
        radius = rng.uniform(0.9, 2.6)
        window = window_around(scene.shape, row, column, radius * 3)
        speck = np.exp(-((window.distance / np.float32(radius)) ** 2))
        scene.albedo[window.area] *= 1 + np.float32(rng.uniform(-0.7, 0.4)) * speck


def _add_scratches(scene: Scene, rng: np.random.Generator) -> None:
    """Straight or slightly bent scores, bright or dark, on plate and bead alike."""
    for _ in range(rng.integers(1, 4)):
        start = np.array([rng.uniform(0, scene.shape[1]), rng.uniform(0, scene.shape[0])])
        heading, length = rng.uniform(0, np.pi), rng.uniform(40, 260)
        way = np.linspace(0, 1, 9)
        bent = heading + rng.normal(0, 0.15) * way
        points = start + length * np.stack([np.cos(bent), np.sin(bent)], axis=1) * way[:, None]
        width = rng.uniform(0.4, 1.9) * np.sin(np.pi * np.linspace(0.15, 0.95, 8))
        mask = line_mask(scene.shape, points, width.astype(np.float32))
        scene.albedo[:] *= 1 + mask * np.float32(rng.choice([-0.45, 0.35]))
        scene.height[:] -= mask * np.float32(0.5)


def _add_slag(scene: Scene, rng: np.random.Generator) -> None:
    """Thin dark glassy islands of slag left on the bead."""
    field = smooth_field(rng, scene.shape, (12, 18))
    place = smooth_field(rng, scene.shape, (60, 90))
    on_bead = np.abs(scene.offset) < 0.85 * scene.half_width[None, :]
    island = np.clip((field + place - np.float32(1.5)) * 3, 0, 1) * on_bead
    scene.albedo[:] *= 1 - np.float32(rng.uniform(0.35, 0.65)) * island
    scene.gloss[:] *= 1 + np.float32(rng.uniform(-0.3, 0.5)) * island


def _darken_toe(scene: Scene, rng: np.random.Generator) -> None:
    """Soot in the corner between bead and plate: as dark as a shallow undercut, but without its depth."""
    distance = scene.toe_distance(int(rng.choice([-1, 1]))) - np.float32(rng.uniform(0, 3))
    along = np.clip(0.5 + 0.6 * smooth_line(rng, scene.shape[1], 90), 0, 1)
    band = np.exp(-((distance / np.float32(rng.uniform(2, 6))) ** 2)) * along[None, :]
    scene.albedo[:] *= 1 - np.float32(rng.uniform(0.15, 0.4)) * band


def _add_shadow(scene: Scene, rng: np.random.Generator) -> None:
    """The soft shadow of a cable, a clamp or the torch, straight across the part."""
    heading = rng.uniform(0, np.pi)
    columns = np.arange(scene.shape[1], dtype=np.float32)[None, :] - rng.uniform(0, scene.shape[1])
    rows = np.arange(scene.shape[0], dtype=np.float32)[:, None] - rng.uniform(0, scene.shape[0])
    distance = (columns * np.cos(heading) + rows * np.sin(heading)).astype(np.float32)
    width, soft = rng.uniform(6, 90), rng.uniform(6, 40)
    inside = np.clip((np.float32(width) - np.abs(distance)) / np.float32(soft), 0, 1)
    darker = 1 - np.float32(rng.uniform(0.15, 0.45)) * inside
    scene.albedo[:] *= darker
    scene.gloss[:] *= darker
