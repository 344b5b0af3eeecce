"""What hangs together: the connected components of a graph."""

from collections import defaultdict
from collections.abc import Iterable, Sequence


class Components:
    """The components of `nodes` under `edges` (disjoint sets with path halving: R. Tarjan, J. van Leeuwen, 1984)."""

    def __init__(self, nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> None:
        self._parent = {node: node for node in nodes}
        for a, b in edges:
            first, second = sorted((self._root(a), self._root(b)))
            self._parent[second] = first

    def _root(self, node: str) -> str:
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def members(self) -> dict[str, list[str]]:
        """Return the components, by their smallest node; nodes in the order given."""
        members: dict[str, list[str]] = defaultdict(list)
        for node in self._parent:
            members[self._root(node)].append(node)
        return dict(members)
