"""Deal groups of photographs out to parts by shares, class by class; what has been dealt stays."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Photographs that stay together.

    Attributes
    ----------
    key : decides the order in which groups of one size are dealt; no two are equal
    sizes : class -> its photographs in the group, at least 1 each
    merged : classes that several of those were made into, and that shall stand in every part likewise
    """

    key: bytes
    sizes: Mapping[str, int]
    merged: frozenset[str] = frozenset()

    @property
    def kinds(self) -> frozenset[str]:
        """All classes that it has photographs of."""
        return self.merged | self.sizes.keys()


def deal(
    groups: Sequence[Group], given: Sequence[int], shares: Sequence[float], importance: Sequence[int]
) -> list[int]:
    """Return the part of each group: `given`, or where that is -1 the one where its classes lack most.

    Rare classes are dealt first, and of a class the large groups, so that the small ones even out. Each class that has
    as many groups as there are parts stands in every part, unless what is given, or other classes in the same groups,
    leave none to deal; one that has fewer stands in the most important parts. Depends on the groups alone, not on their
    order.

    Parameters
    ----------
    groups : G
    given : G, 0 to P - 1, or -1
    shares : P, the part of a class's photographs that each part should have; sum 1
    importance : P, the parts, most important first
    """
    table = _Table(groups, list(given), shares, importance)
    totals = table.totals
    home = {n: min(group.sizes, key=lambda name: (totals[name], name)) for n, group in enumerate(groups)}
    undealt: dict[str, list[int]] = defaultdict(list)
    for number, name in home.items():
        if given[number] < 0:
            undealt[name].append(number)
    for name in sorted(undealt, key=lambda name: (totals[name], name)):
        for number in sorted(undealt[name], key=lambda n: (-sum(groups[n].sizes.values()), groups[n].key)):
            table.place(number, table.best(number))
    return table.parts


def surplus(groups: Sequence[Group], given: Sequence[int], shares: Sequence[float]) -> list[int]:
    """Return the groups, ascending, that must leave their parts if no class is to have more in a part than its share.

    No more than it takes: of each class, a part keeps its share rounded up, and at least one group.
    """
    table = _Table(groups, list(given), shares, range(len(shares)))
    leaving: list[int] = []
    for number in sorted(range(len(groups)), key=lambda n: groups[n].key):
        if given[number] >= 0 and table.can_spare(number):
            table.remove(number)
            leaving.append(number)
    return sorted(leaving)


class _Table:
    """What each class has in each part so far."""

    def __init__(
        self, groups: Sequence[Group], parts: list[int], shares: Sequence[float], importance: Sequence[int]
    ) -> None:
        self._groups, self.parts, self._shares, self._importance = groups, parts, shares, importance
        self.totals: Counter[str] = Counter()
        self._groups_of: Counter[str] = Counter()
        self._to_come: Counter[str] = Counter()
        self.have: dict[str, list[int]] = defaultdict(lambda: [0] * len(shares))
        self.present: dict[str, list[int]] = defaultdict(lambda: [0] * len(shares))
        for number, group in enumerate(groups):
            self.totals.update(group.sizes)
            self._groups_of.update(group.kinds)
            self._to_come.update(group.kinds)
            if parts[number] >= 0:
                self.place(number, parts[number])

    def place(self, number: int, part: int) -> None:
        self.parts[number] = part
        self._count(number, part, 1)

    def remove(self, number: int) -> None:
        self._count(number, self.parts[number], -1)
        self.parts[number] = -1

    def _count(self, number: int, part: int, sign: int) -> None:
        for name, size in self._groups[number].sizes.items():
            self.have[name][part] += sign * size
        for kind in self._groups[number].kinds:
            self.present[kind][part] += sign
            self._to_come[kind] -= sign

    def can_spare(self, number: int) -> bool:
        """Whether every class in the group has more than its share where the group is, also without it."""
        part, group = self.parts[number], self._groups[number]
        return all(self.present[kind][part] > 1 for kind in group.kinds) and all(
            self.have[name][part] - size >= math.ceil(self.totals[name] * self._shares[part])
            for name, size in group.sizes.items()
        )

    def best(self, number: int) -> int:
        """Return the part for a group: one that a class of it needs, the rarest first, and there the most lacking."""
        group = self._groups[number]
        parts = list(range(len(self._shares)))
        # What classes are merged into comes first: it is what is learnt.
        for kind in sorted(group.kinds, key=lambda kind: (kind not in group.merged, self._groups_of[kind], kind)):
            needed = self._needed(kind)
            parts = [part for part in parts if part in needed] or parts
        return max(parts, key=lambda part: (self._lack(number, part), -part))

    def _needed(self, kind: str) -> list[int]:
        """Return the parts of which the next group of a class must take one, lest the last are too few; or none."""
        wanted = self._importance[: self._groups_of[kind]]
        absent = [part for part in wanted if not self.present[kind][part]]
        return absent[: self._to_come[kind]] if self._to_come[kind] <= len(absent) else []

    def _lack(self, number: int, part: int) -> float:
        # How much nearer to its shares, squared and in relation to its size, each class comes with the group here.
        sizes = self._groups[number].sizes
        return sum(
            size * (self._shares[part] - self.have[name][part] / self.totals[name]) for name, size in sizes.items()
        )
