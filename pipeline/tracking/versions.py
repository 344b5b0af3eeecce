"""The versions of a registered model: what is written on them, and the aliases that say which one is used.

A version has been champion as often as it stands in the model's tag `HISTORY`, the present champion last. The alias and
that tag cannot be changed at once, so each change writes them in the order in which a kill between the two is put right
by the next change: forwards the alias first, backwards the tag first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.tracking.views import cut

if TYPE_CHECKING:
    from pipeline.tracking.store import Store

CHAMPION, CHALLENGER = "champion", "challenger"
HISTORY = "champions"

_REMEMBERED = 500
_LONGEST_DESCRIPTION = 5000
"""Characters that MLflow's column takes on PostgreSQL; on SQLite it takes any number."""
_REST = "the rest stands in the run's description"
_LONGEST_TAG = 20_000
"""Characters; MLflow takes 100,000, which nobody reads."""


@dataclass(frozen=True)
class Version:
    """A version as the registry has it.

    Attributes
    ----------
    run_id : MLflow's id of its run; empty where it was registered without one.
    made : milliseconds since 1970.
    """

    number: int
    run_id: str
    made: int
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Crown:
    """Who is what now.

    Attributes
    ----------
    champion, challenger : numbers of versions; None where nothing has the alias.
    history : numbers of the champions so far, oldest first.
    """

    champion: int | None = None
    challenger: int | None = None
    history: tuple[int, ...] = ()


class Versions:
    """The versions of one registered model, in one store. Whatever goes wrong raises TrackingError, of one line.

    Parameters
    ----------
    name : of the model; letters, digits, spaces and ``_ . -`` alone
    """

    def __init__(self, store: "Store", name: str) -> None:
        self._store, self.name = store, name

    def crown(self) -> Crown:
        """Return who is champion, who challenger, and who was."""
        with self._store.errors(f"look at {self.name}"):
            found = self._store.client.search_registered_models(f"name = '{self.name}'")
        if not found:
            return Crown()
        numbers = {alias: int(number) for alias, number in found[0].aliases.items()}
        words = (found[0].tags or {}).get(HISTORY, "").split()
        history = tuple(int(word) for word in words if word.isdecimal())
        return Crown(numbers.get(CHAMPION), numbers.get(CHALLENGER), history)

    def all(self) -> list[Version]:
        """Return all versions, in the order in which they were registered."""
        return sorted(self._search(), key=lambda version: version.number)

    def get(self, number: int) -> Version | None:
        """Return the version of that number, if there is one."""
        return next(iter(self._search(f" and version_number = {number}")), None)

    def of_run(self, run_id: str) -> Version | None:
        """Return the version that was registered of a run, by MLflow's id, if there is one."""
        return min(self._search(f" and run_id = '{run_id}'"), key=lambda version: version.number, default=None)

    def _search(self, condition: str = "") -> list[Version]:
        with self._store.errors(f"look at {self.name}"):
            found = self._store.client.search_model_versions(f"name = '{self.name}'{condition}")
        return [Version(int(each.version), each.run_id or "", each.creation_timestamp, each.tags) for each in found]

    def describe(self, number: int, tags: Mapping[str, str], description: str = "") -> None:
        """Write tags on a version, and its description (Markdown), which is cut at a line's end if it is too long."""
        with self._store.errors(f"describe version {number} of {self.name}"):
            for key, value in tags.items():
                self._store.client.set_model_version_tag(self.name, str(number), key, value[:_LONGEST_TAG])
            if description:
                self._store.client.update_model_version(
                    self.name, str(number), cut(description, _LONGEST_DESCRIPTION, _REST)
                )

    def promote(self, number: int) -> None:
        """Make a version champion; it is no challenger then."""
        now = self.crown()
        history = list(now.history)
        if now.champion is not None and history[-1:] != [now.champion]:
            # Somebody else has moved the alias, or a kill came before the history. Another may come before the next.
            history.append(now.champion)
            self._remember(history)
        self._alias(CHAMPION, number)
        if now.challenger == number:
            with self._store.errors(f"take the alias {CHALLENGER} away"):
                self._store.client.delete_registered_model_alias(self.name, CHALLENGER)
        self._remember(history if history[-1:] == [number] else [*history, number])

    def challenge(self, number: int) -> None:
        """Make a version challenger."""
        self._alias(CHALLENGER, number)

    def former(self, now: Crown) -> int | None:
        """Return which version was champion before the present one and is still there; None if none was."""
        return next(iter(self._former(now)[::-1]), None)

    def go_back(self) -> int | None:
        """Make the former champion champion again, and return its number; None if there is none."""
        history = self._former(self.crown())
        if not history:
            return None
        self._remember(history)
        self._alias(CHAMPION, history[-1])
        return history[-1]

    def _former(self, now: Crown) -> list[int]:
        history = list(now.history)
        if history[-1:] == [now.champion]:
            history.pop()
        while history and (history[-1] == now.champion or self.get(history[-1]) is None):
            history.pop()
        return history

    def _alias(self, alias: str, number: int) -> None:
        with self._store.errors(f"make version {number} of {self.name} {alias}"):
            self._store.client.set_registered_model_alias(self.name, alias, str(number))

    def _remember(self, history: list[int]) -> None:
        with self._store.errors(f"write down the champions of {self.name}"):
            text = " ".join(map(str, history[-_REMEMBERED:]))
            self._store.client.set_registered_model_tag(self.name, HISTORY, text)
