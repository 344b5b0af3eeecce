"""How well photographs of one part are found: `python benchmarks/duplicates.py FOLDER [FOLDER ...]`.

From each folder of photographs (one folder a class), a set in which each part was taken at four exposures: a crop
shifted by up to 4% and scaled by up to 3%, gain 0.25 to 2.2, gamma 0.6 to 1.65, offset, uneven light, clipping, noise
and JPEG quality 45 to 95. Exposures of which more than half is clipped are left out, and so are originals that are
alike already. Prints recall and precision of the pairs found, beside those of ImageHash's pHash and dHash at the
threshold that is best for them on that very set; and what a nearest-neighbour rule scores where exposures of a part
stand on both sides of a split, and where they do not.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.data.components import Components
from pipeline.data.duplicates import extract, find_pairs
from pipeline.data.groups import GroupParams
from pipeline.data.squares import resize_square
from pipeline.params import load_section

EXPOSURES = 4
SIDE = 256


def exposure(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Photograph a part, uint8 (H, W), once more: uint8 (224, 224)."""
    picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    scale, (across, down) = 1 + rng.uniform(-0.03, 0.03), rng.uniform(-0.04, 0.04, 2) * SIDE
    middle = SIDE / 2 * (1 - scale)
    matrix = np.array([[scale, 0, middle + across], [0, scale, middle + down]], np.float32)
    moved = cv2.warpAffine(picture, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    gain = np.exp(rng.uniform(np.log(0.25), np.log(2.2)))
    light = np.clip(moved, 0, 1) ** np.exp(rng.uniform(-0.5, 0.5)) * gain + rng.uniform(-0.05, 0.1)
    angle, ramp = rng.uniform(0, 2 * np.pi), np.linspace(-1, 1, SIDE)
    light *= 1 + 0.2 * rng.uniform() * (np.cos(angle) * ramp[None] + np.sin(angle) * ramp[:, None])
    grey = np.clip(255 * light + rng.normal(0, rng.uniform(1, 5), light.shape), 0, 255).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 96))])[1]
    return resize_square(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), 224)


def make_set(folder: Path, most: int, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return exposures, uint8 (N, 224, 224), the part of each, and its class."""
    rng = np.random.default_rng(0)
    files = sorted(path for path in folder.glob("*/*") if path.is_file())
    files = [files[place] for place in sorted(rng.permutation(len(files))[:most])]
    originals = np.stack([resize_square(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), 224) for file in files])
    alike = find_pairs(extract(originals, np.arange(len(files))), np.arange(len(files)), mirrored=False)
    copies = set(alike.pairs[alike.scores >= threshold][:, 1].tolist())
    print(f"\n{folder.name}: {len(files)} originals, {len(copies)} left out that are like another")
    classes = sorted({file.parent.name for file in files})
    pictures, parts, labels = [], [], []
    for part in sorted(set(range(len(files))) - copies):
        for _ in range(EXPOSURES):
            picture = exposure(originals[part], rng)
            if ((picture < 4) | (picture > 251)).mean() < 0.5:
                pictures.append(picture)
                parts.append(part)
                labels.append(classes.index(files[part].parent.name))
    return np.stack(pictures), np.array(parts), np.array(labels)


def line(name: str, pairs: np.ndarray, parts: np.ndarray) -> str:
    """Say how many of the pairs of one part are among `pairs`, int64 (M, 2), and how many of these are right."""
    counts = np.bincount(parts)
    right = (parts[pairs[:, 0]] == parts[pairs[:, 1]]).sum()
    total = (counts * (counts - 1) // 2).sum()
    return f"  {name:<28} recall {right / total:.3f}   precision {right / max(1, len(pairs)):.3f}"


def grouped(pairs: np.ndarray, count: int) -> np.ndarray:
    """Return the group of each of `count` pictures, as `pairs`, int64 (M, 2), tie them: int64 (count,)."""
    nodes = [f"{number:06d}" for number in range(count)]
    components = Components(nodes, [(nodes[a], nodes[b]) for a, b in pairs.tolist()]).members()
    group = np.empty(count, np.int64)
    for number, members in enumerate(components.values()):
        group[[int(member) for member in members]] = number
    return group


def pairs_within(group: np.ndarray) -> np.ndarray:
    """Return all pairs of one group: int64 (M, 2)."""
    first, second = np.triu_indices(len(group), 1)
    same = group[first] == group[second]
    return np.stack([first[same], second[same]], axis=1)


def hash_pairs(pictures: np.ndarray, parts: np.ndarray) -> None:
    """Print the line of each perceptual hash at the distance with the highest F1 on this set."""
    try:
        import imagehash
        from PIL import Image
    except ImportError:
        print("  pHash and dHash are left out: pip install imagehash")
        return
    for name in ("phash", "dhash"):
        bits = np.stack([getattr(imagehash, name)(Image.fromarray(each)).hash.ravel() for each in pictures])
        first, second = np.triu_indices(len(bits), 1)
        signs = 2.0 * bits.astype(np.float32) - 1
        distance = ((bits.shape[1] - signs @ signs.T) / 2).round().astype(int)[first, second]
        same = parts[first] == parts[second]
        scores = {d: 2 * same[distance <= d].sum() / ((distance <= d).sum() + same.sum()) for d in range(0, 33)}
        best = max(scores, key=scores.__getitem__)
        chosen = distance <= best
        pairs = np.stack([first[chosen], second[chosen]], axis=1)
        print(line(f"{name}, distance <= {best}", pairs, parts))
        print(line(f"{name}, in one group", pairs_within(grouped(pairs, len(pictures))), parts))


def nearest_neighbour(pictures: np.ndarray, labels: np.ndarray, groups: Sequence[object]) -> float:
    """Return the accuracy of the class of the nearest other picture, over five folds that divide no group."""
    thumbs = np.stack([cv2.resize(each, (32, 32), interpolation=cv2.INTER_AREA).ravel() for each in pictures]).astype(
        float
    )
    thumbs -= thumbs.mean(axis=1, keepdims=True)
    thumbs /= np.linalg.norm(thumbs, axis=1, keepdims=True) + 1e-9
    names = sorted(set(map(str, groups)))
    folds = dict(zip(np.random.default_rng(1).permutation(names), np.arange(len(names)) % 5, strict=True))
    fold = np.array([folds[str(group)] for group in groups])
    likeness = thumbs @ thumbs.T
    likeness[fold[:, None] == fold[None]] = -2
    return float((labels[likeness.argmax(axis=1)] == labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--most", type=int, default=300, help="originals of each set")
    arguments = parser.parse_args()
    threshold = load_section("group", GroupParams).threshold
    for folder in arguments.folders:
        pictures, parts, labels = make_set(folder, arguments.most, threshold)
        found = find_pairs(extract(pictures, np.arange(len(pictures))), np.arange(len(pictures)), mirrored=False)
        for level in sorted({0.3, 0.4, 0.5, threshold}):
            name = f"{level:.2f}{' (set)' if level == threshold else ''}"
            pairs = found.pairs[found.scores >= level]
            print(line(f"{name}, tied directly", pairs, parts))
            print(line(f"{name}, in one group", pairs_within(grouped(pairs, len(pictures))), parts))
        hash_pairs(pictures, parts)
        groups = grouped(found.pairs[found.scores >= threshold], len(pictures))
        scores = [
            nearest_neighbour(pictures, labels, kept)
            for kept in (range(len(pictures)), groups.tolist(), parts.tolist())
        ]
        print("  nearest neighbour: random folds {:.3f}, groups found {:.3f}, true parts {:.3f}".format(*scores))


if __name__ == "__main__":
    main()
