"""Deal groups of photographs out to parts by shares, class by class; what has been dealt stays."""

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
    """

    key: bytes
    sizes: Mapping[str, int]


def deal(
    groups: Sequence[Group], given: Sequence[int], shares: Sequence[float], importance: Sequence[int]
) -> list[int]:
    """Return the part of each group: `given`, or where that is -1 the one where its classes lack most.

    Rare classes are dealt first, and of a class the large groups, so that the small ones even out. Each class that has
    as many groups as there are parts stands in every part, unless what is given leaves too few to deal; one that has
    fewer stands in the most important parts. Depends on the groups alone, not on their order.

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
            table.place(number, table.best(number, name))
    return table.parts


def surplus(groups: Sequence[Group], given: Sequence[int], shares: Sequence[float]) -> list[int]:
    """Return the groups, ascending, that must leave their parts if no class is to have more in a part than its share.

    Groups of one class alone, and no more than it takes: a part keeps its share rounded up, and at least one group.
    """
    table = _Table(groups, list(given), shares, range(len(shares)))
    leaving: list[int] = []
    for number in sorted(range(len(groups)), key=lambda n: groups[n].key):
        part, sizes = given[number], groups[number].sizes
        if part < 0 or len(sizes) > 1:
            continue
        ((name, size),) = sizes.items()
        too_many = table.have[name][part] - -(-table.totals[name] * shares[part] // 1)
        if size <= too_many and table.present[name][part] > 1:
            table.have[name][part] -= size
            table.present[name][part] -= 1
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
            self._groups_of.update(group.sizes.keys())
            self._to_come.update(group.sizes.keys())
            if parts[number] >= 0:
                self.place(number, parts[number])

    def place(self, number: int, part: int) -> None:
        self.parts[number] = part
        for name, size in self._groups[number].sizes.items():
            self.have[name][part] += size
            self.present[name][part] += 1
            self._to_come[name] -= 1

    def best(self, number: int, name: str) -> int:
        """Return the part for a group that is dealt as one of class `name`."""
        wanted = self._importance[: self._groups_of[name]]
        absent = [part for part in wanted if not self.present[name][part]]
        if len(wanted) < len(self._shares) and absent:
            return absent[0]
        parts = absent if self._to_come[name] <= len(absent) else range(len(self._shares))
        return max(parts, key=lambda part: (self._lack(number, part), -part))

    def _lack(self, number: int, part: int) -> float:
        # How much nearer to its shares, squared and in relation to its size, each class comes with the group here.
        sizes = self._groups[number].sizes
        return sum(
            size * (self._shares[part] - self.have[name][part] / self.totals[name]) for name, size in sizes.items()
        )
