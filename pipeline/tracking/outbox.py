"""From the journals to the store: what waits is sent, oldest run first, and a run's records in order."""

import time
from collections.abc import Callable

from pipeline.errors import TrackingError
from pipeline.tracking.journal import Waiting, sending, waiting
from pipeline.tracking.places import tracking_folder
from pipeline.tracking.store import Store

_LONGEST_REST = 300.0
"""Seconds at the most after which a run that the store refused is tried again."""


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
        self._rests: dict[str, tuple[float, float]] = {}
        self._left: dict[str, tuple[str, int]] = {}
        self.refusal: TrackingError | None = None
        """Why the store did not take a run, though it works."""

    def send(self) -> bool:
        """Send what waits; return whether there was no run that another process is sending.

        Raises
        ------
        TrackingError
            If the store fails.
        """
        self.refusal, free = None, True
        for run_id in dict.fromkeys(each.run_id for each in waiting(self._folder, self._address)):
            with sending(self._folder, run_id) as mine:
                free &= mine
                if mine and self._rests.get(run_id, (0.0, 0.0))[0] <= time.monotonic():
                    self._send_run(run_id)
        return free

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
            rest = min(2 * self._rests.get(run_id, (0.0, 1.0))[1], _LONGEST_REST)
            self._rests[run_id] = (time.monotonic() + rest, rest)
            self.refusal = error
        else:
            self._rests.pop(run_id, None)
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
