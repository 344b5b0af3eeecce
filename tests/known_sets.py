"""Small sets of drawn photographs of which it is known what can be learnt from them, and what not."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.assignment import Assignment
from pipeline.data.packed import IndexRow, PackedSet

SIDE = 48
Picture = NDArray[np.float32]
Drawing = Callable[[Picture, float, np.random.Generator], None]


def _spots(picture: Picture, strength: float, rng: np.random.Generator, count: int, radius: float) -> None:
    mask = np.zeros_like(picture)
    for x, y in rng.uniform(4, SIDE - 4, (count, 2)):
        size = max(1, round(radius * rng.uniform(0.7, 1.3)))
        cv2.circle(mask, (round(x), round(y)), size, 1.0, -1, cv2.LINE_AA)
    picture += strength * cv2.GaussianBlur(mask, (0, 0), 0.7)


def _lines(
    picture: Picture, strength: float, rng: np.random.Generator, count: int, angle: float, jagged: float
) -> None:
    mask = np.zeros_like(picture)
    for x, y in rng.uniform(6, SIDE - 6, (count, 2)):
        along = np.linspace(-1, 1, 7)[:, None] * rng.uniform(12, 20) * np.array([np.cos(angle), np.sin(angle)])
        path = np.array([x, y]) + along + rng.normal(0, jagged, (7, 2))
        cv2.polylines(mask, [np.round(path * 16).astype(np.int32)], False, 1.0, 1, cv2.LINE_AA, 4)
    picture += strength * cv2.GaussianBlur(mask, (0, 0), 0.5)


def porosity(picture: Picture, strength: float, rng: np.random.Generator) -> None:
    _spots(picture, -strength, rng, int(rng.integers(8, 15)), 2.0)


def spatter(picture: Picture, strength: float, rng: np.random.Generator) -> None:
    _spots(picture, strength, rng, int(rng.integers(6, 12)), 2.5)


def burn(picture: Picture, strength: float, rng: np.random.Generator) -> None:
    _spots(picture, -strength, rng, 1, 11.0)


def crack(picture: Picture, strength: float, rng: np.random.Generator) -> None:
    _lines(picture, -1.5 * strength, rng, int(rng.integers(2, 4)), rng.normal(np.pi / 2, 0.15), 2.0)


def scratch(picture: Picture, strength: float, rng: np.random.Generator) -> None:
    _lines(picture, 1.5 * strength, rng, int(rng.integers(4, 8)), rng.normal(0, 0.2), 0.3)


def ripple(picture: Picture, strength: float, rng: np.random.Generator) -> None:
    wave = np.sin(np.arange(SIDE) * 2 * np.pi / rng.uniform(4, 6) + rng.uniform(0, 6))
    picture += 0.5 * strength * wave.astype(np.float32)


def sound(picture: Picture, strength: float, rng: np.random.Generator) -> None:
    """Nothing: the plate and its bead alone."""


KINDS: dict[str, Drawing] = {each.__name__: each for each in (sound, porosity, crack, spatter, scratch, burn, ripple)}


def scene(kind: str, strength: float, rng: np.random.Generator) -> Picture:
    """A plate with a bead across it and one kind of defect, grey levels, float32 (`SIDE`, `SIDE`)."""
    plate = cv2.resize(rng.normal(0, 12, (6, 6)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    rows = np.arange(SIDE, dtype=np.float32)[:, None] - SIDE / 2 - rng.normal(0, 3)
    picture = plate + 110 + 35 * np.exp(-((rows / rng.uniform(7, 10)) ** 2))
    KINDS[kind](picture, strength * rng.uniform(0.7, 1.3), rng)
    return picture.astype(np.float32)


def photograph(picture: Picture, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take one: light, contrast and the camera's noise differ from one to the next."""
    taken = (picture - 120) * rng.uniform(0.85, 1.15) + 120 + rng.normal(0, 8)
    return np.clip(taken + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


class Shot(NamedTuple):
    """A photograph to be taken.

    Attributes
    ----------
    label : the class that it stands under.
    kind : of defect that it shows, of `KINDS`.
    part : photographs of one part show the same scene, and are of one group; None: of a part of its own.
    strength : of the defect, 30 (faint) to 120 (plain).
    file_type : as it is stored. What a camera that stores JPEG files prints into the corner tells them apart.
    """

    label: str
    kind: str
    part: str | None = None
    strength: float = 110.0
    file_type: str = "PNG"


@dataclass(frozen=True, eq=False)
class KnownSet:
    """A packed set of N photographs, with groups as the group stage would find them.

    Attributes
    ----------
    wrong : bool (N,), whether the label is not what the photograph shows.
    """

    packed: PackedSet
    assignment: Assignment
    wrong: NDArray[np.bool_]


def taken(shots: Sequence[Shot], seed: int) -> KnownSet:
    """Take the photographs, some 0.5 ms each; the same ones with the same seed."""
    rng = np.random.default_rng(seed)
    scenes: dict[str, Picture] = {}
    images, groups = [], []
    shots = sorted(shots, key=lambda shot: shot.label)
    for number, shot in enumerate(shots):
        part = shot.part or f"photograph {number}"
        if part not in scenes:
            scenes[part] = scene(shot.kind, shot.strength, rng)
        image = photograph(scenes[part], rng)
        if shot.file_type == "JPEG":
            image[2:6, 2:14] = 235
        images.append(image)
        groups.append(list(scenes).index(part))
    names = tuple(sorted({shot.label for shot in shots}))
    labels = np.array([names.index(shot.label) for shot in shots], np.int64)
    index = tuple(_row(number, shot, image) for number, (shot, image) in enumerate(zip(shots, images, strict=True)))
    packed = PackedSet(np.stack(images), labels, names, index)
    parts, folds = np.full(len(shots), "train"), np.full(len(shots), -1)
    assignment = Assignment(names, labels, parts, folds, 0, np.array(groups, np.int64))
    return KnownSet(packed, assignment, np.array([shot.label != shot.kind for shot in shots]))


def _row(number: int, shot: Shot, image: NDArray[np.uint8]) -> IndexRow:
    content = hashlib.sha256(image.tobytes()).hexdigest()
    path = f"{shot.label}/{number:04d}.{shot.file_type.lower()}"
    size = len(cv2.imencode(".png", image)[1])
    return IndexRow(path, shot.label, content, content, shot.file_type, size, 480, 640)


CLEAR = ("burn", "ripple", "scratch", "spatter", "crack", "porosity", "sound")
"""Kinds, the ones that are told apart soonest first."""


def fine(seed: int, counts: Sequence[int] = (60, 50, 40, 40)) -> KnownSet:
    """Classes that are each something of its own, of as many photographs as `counts` says."""
    return taken(_fine(counts), seed)


def _fine(counts: Sequence[int]) -> list[Shot]:
    return [Shot(kind, kind) for kind, count in zip(CLEAR, counts, strict=False) for _ in range(count)]


def pure_noise(seed: int, counts: Sequence[int] = (60, 50, 40, 40)) -> KnownSet:
    """Photographs as in `fine`, whose labels have nothing to do with them."""
    shots = _fine(counts)
    return taken(_relabelled(shots, np.random.default_rng(seed).permutation(len(shots))), seed)


def wrong_labels(seed: int, counts: Sequence[int] = (60, 50, 50, 40), share: float = 0.3) -> KnownSet:
    """As `fine`, but of `share` of the photographs the labels are dealt out anew; some get their own again."""
    shots, rng = _fine(counts), np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(shots), round(share * len(shots)), replace=False))
    order = np.arange(len(shots))
    order[chosen] = rng.permutation(chosen)
    return taken(_relabelled(shots, order), seed)


def _relabelled(shots: Sequence[Shot], order: NDArray[np.int64]) -> list[Shot]:
    return [shot._replace(label=shots[other].label) for shot, other in zip(shots, order.tolist(), strict=True)]


RARE = "crack"


def one_rare(seed: int, counts: Sequence[int] = (50, 40, 40), rare: int = 8, strength: float = 60.0) -> KnownSet:
    """As `fine`, and a class `RARE`, fainter, of which there are few."""
    return taken([*_fine(counts), *(Shot(RARE, RARE, strength=strength) for _ in range(rare))], seed)


TWINS = ("fissure", "hair")
"""Classes that are one: cracks, dealt out among them."""


def twins(seed: int, counts: Sequence[int] = (40, 40, 30), of_each: Sequence[int] = (40, 40)) -> KnownSet:
    """As `fine`, and two classes that are one."""
    same = [Shot(name, "crack") for name, count in zip(TWINS, of_each, strict=True) for _ in range(count)]
    return taken([*_fine(counts), *same], seed)


def copies(seed: int, classes: int = 3, parts: int = 8, of_each: int = 8) -> KnownSet:
    """Many photographs of few parts, of which none has a defect: a part is known again, and nothing else."""
    shots = [
        Shot(CLEAR[k], "sound", f"{CLEAR[k]} {part}")
        for k in range(classes)
        for part in range(parts)
        for _ in range(of_each)
    ]
    return taken(shots, seed)


def file_types(seed: int, counts: Sequence[int] = (50, 50)) -> KnownSet:
    """Photographs without defects of two cameras: the file type tells the class, and so does what one prints."""
    shots = [
        Shot(CLEAR[k], "sound", file_type=("PNG", "JPEG")[k % 2])
        for k, count in enumerate(counts)
        for _ in range(count)
    ]
    return taken(shots, seed)


def too_few(seed: int, counts: Sequence[int] = (6, 5, 4), strength: float = 30.0) -> KnownSet:
    """A handful of photographs of faint defects."""
    kinds = ("crack", "porosity", "sound")
    return taken(
        [Shot(kind, kind, strength=strength) for kind, count in zip(kinds, counts, strict=True) for _ in range(count)],
        seed,
    )
