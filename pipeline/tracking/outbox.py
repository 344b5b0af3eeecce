"""From the journals to the store: what waits is sent, oldest run first, and a run's records in order."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import TrackingError
from pipeline.tracking.journal import Waiting, sending, waiting
from pipeline.tracking.places import tracking_folder
from pipeline.tracking.store import Store

_LONGEST_REST = 300.0
"""Seconds at the most after which a run that the store refused is tried again."""


@dataclass
class _Refused:
    """A run that the store does not take though it works, and until when it is left alone."""

    error: TrackingError
    rest: float

    def __post_init__(self) -> None:
        self.until = time.monotonic() + self.rest


class Outbox:
    """What waits for one store.

    Parameters
    ----------
    store : that it is sent to
    address : the address, as configured, that the journals name
    tell : called with a run's name, and the number of its records, when all that its journals have is sent
    progress : called with the number of records that were sent
    """

    def __init__(
        self,
        store: Store,
        address: str,
        tell: Callable[[str, int], None] = lambda *_: None,
        progress: Callable[[int], object] = lambda *_: None,
    ) -> None:
        self._store, self._address, self._tell, self._progress = store, address, tell, progress
        self._folder = tracking_folder()
        self._refused: dict[str, _Refused] = {}
        self._left: dict[str, tuple[str, int]] = {}

    @property
    def refusal(self) -> TrackingError | None:
        """Why the store does not take some run, though it works."""
        return next((refused.error for refused in self._refused.values()), None)

    def send(self, at_once: bool = False) -> bool:
        """Send what waits; return whether there was no run that another process is sending.

        Parameters
        ----------
        at_once : try also what was refused a moment ago

        Raises
        ------
        TrackingError
            If the store fails.
        """
        free = True
        for run_id in dict.fromkeys(each.run_id for each in waiting(self._folder, self._address)):
            with sending(self._folder, run_id) as mine:
                free &= mine
                if mine and (at_once or not self._rests(run_id)):
                    self._send_run(run_id)
        return free

    def _rests(self, run_id: str) -> bool:
        return run_id in self._refused and time.monotonic() < self._refused[run_id].until

    def _send_run(self, run_id: str) -> None:
        # Listed when they are locked: before, another process may have sent some.
        journals = [each for each in waiting(self._folder, self._address) if each.run_id == run_id]
        if not journals:
            return
        name = str(journals[0].head()["name"])
        if journals[0].position() != self._left.get(run_id):
            # Another process has sent some: what was known of the run is not all.
            self._store.forget(run_id)
        try:
            sent = sum(self._send_journal(journal) for journal in journals)
        except TrackingError as error:
            self._store.ping()
            # The store works and does not take this: the other runs must not wait for it.
            before = self._refused.get(run_id)
            self._refused[run_id] = _Refused(error, min(2 * before.rest, _LONGEST_REST) if before else 1.0)
        else:
            self._refused.pop(run_id, None)
            if sent:
                self._tell(name, sent)

    def _send_journal(self, journal: Waiting) -> int:
        over, head, sent = journal.is_over(), journal.head(), 0
        for records, end in journal.parcels(whole=over):
            self._store.send(head, records, journal.files)
            journal.note(end)
            self._left[journal.run_id] = journal.position()
            self._progress(len(records))
            sent += len(records)
        if over:
            journal.remove()
        return sent
