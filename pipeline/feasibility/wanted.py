"""What is asked: the trainings of each kind, before it is known for how long each can go on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.data.assignment import NO_ROWS
from pipeline.data.packed import PackedSet
from pipeline.evaluation.predictions import IntArray
from pipeline.feasibility.recipes import another
from pipeline.feasibility.study import FOLDS, Study
from pipeline.training.recipe import TrainParams

KINDS = ("folds", "curve", "shuffled", "nets")
"""The most important first: scores, the learning curve, chance, other nets and resolutions."""

SEEN = "folds"
"""Of which kind nets are asked about photographs as well that they were taught with."""

SHARES = {"1/2": 1 / 2, "1/4": 1 / 4, "1/8": 1 / 8}

_NET_FOLDS = 2
_LARGER_NET, _COMMON_NET = "resnet34", "resnet18"
_STREAM = 1  # of random numbers


@dataclass(frozen=True, eq=False)
class Wanted:
    """A training without its length.

    Attributes
    ----------
    kind, name, setting, taught, judged, seen, labels : as in `study.Training`.
    model, resolution : the net, and the side of what it is shown, in pixels.
    whole : how many photographs there are that `taught` is a share of.
    """

    kind: str
    name: str
    setting: str
    model: str
    resolution: int
    taught: IntArray
    judged: IntArray
    seen: IntArray
    labels: IntArray
    whole: int

    def epochs(self, of_whole: int, shown: int) -> int:
        """Return its epochs where the whole has `of_whole`, and no net is shown fewer than `shown` images."""
        share = len(self.taught) / self.whole
        return max(round(of_whole / math.sqrt(share)), math.ceil(shown / len(self.taught)))


def folds_of(study: Study) -> list[int]:
    """Return the folds that have photographs."""
    return [fold for fold in range(FOLDS) if len(study.judged(fold))]


def all_wanted(study: Study, recipe: TrainParams) -> Iterator[Wanted]:
    """Yield all trainings, in the order of `KINDS`."""
    own, labels, folds = (recipe.model, recipe.resolution), study.packed.labels, folds_of(study)
    following = dict(zip(folds, [*folds[1:], folds[0]], strict=True))

    def wanted(kind: str, fold: int, setting: str = "", share: float = 1.0, net: tuple[str, int] = own) -> Wanted:
        whole = study.taught(fold)
        taught = study.taught_share(fold, share) if share < 1 else whole
        name = ", ".join(filter(None, (setting, f"fold {fold}")))
        learnt = dealt if kind == "shuffled" else labels
        # Of each fold's nets those of another fold, so that each photograph is answered for once by one that knows it.
        seen = study.judged(following[fold]) if kind == SEEN else NO_ROWS
        return Wanted(kind, name, setting, *net, taught, study.judged(fold), seen, learnt, len(whole))

    yield from (wanted("folds", fold) for fold in folds)
    yield from (wanted("curve", fold, name, SHARES[name]) for name in curve_shares(study) for fold in folds)
    dealt = shuffled_labels(study)
    yield from (wanted("shuffled", fold) for fold in folds)
    for net in _other_nets(recipe, study.packed):
        yield from (wanted("nets", fold, f"{net[0]} {net[1]} px", net=net) for fold in folds[:_NET_FOLDS])


def curve_shares(study: Study) -> list[str]:
    """Return the names of the shares that differ: not those with the photographs of the next smaller one."""
    rows = {name: [study.taught_share(fold, share) for fold in folds_of(study)] for name, share in SHARES.items()}
    names = list(rows)
    following = dict(zip(names, [*names[1:], None], strict=True))
    return [name for name in names if not _same(rows[name], rows.get(following[name] or "", []))]


def _same(first: Sequence[IntArray], second: Sequence[IntArray]) -> bool:
    return bool(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def shuffled_labels(study: Study) -> IntArray:
    """Return int64 (N,): labels dealt out anew, from group to group, so that no group has two.

    A group's label is its commonest, which some other group then has in all its photographs.
    """
    numbers, places = np.unique(study.group[study.rows], return_inverse=True)
    counts = np.zeros((len(numbers), len(study.class_names)), np.int64)
    np.add.at(counts, (places, study.labels), 1)
    dealt = np.random.default_rng([study.seed, _STREAM]).permutation(counts.argmax(axis=1))
    labels = study.packed.labels.copy()
    labels[study.rows] = dealt[places]
    return labels


def _other_nets(recipe: TrainParams, packed: PackedSet) -> list[tuple[str, int]]:
    """Return other nets and resolutions to compare with: the same net, then another one, at both."""
    side = another(recipe.resolution, min(packed.images.shape[1:]))
    sides = [recipe.resolution] + ([side] if side != recipe.resolution else [])
    nets = [(recipe.model, side) for side in sides[1:]]
    if recipe.weights in ("none", "DEFAULT"):  # a file fits one net alone
        net = _LARGER_NET if recipe.model == _COMMON_NET else _COMMON_NET
        nets += [(net, side) for side in sides]
    return nets
