"""The journal and its sender, through every sequence of kills, cut lines, lost requests and lost answers."""

import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from pipeline.errors import TrackingError
from pipeline.tracking import TrackedRun
from pipeline.tracking.journal import Journal, Waiting, sending, waiting
from pipeline.tracking.outbox import Outbox
from pipeline.tracking.places import tracking_folder
from pipeline.tracking.sender import sync
from pipeline.tracking.store import IDENTITY, Store


def head(run_id, parent=None):
    return {
        "kind": "run", "id": run_id, "name": "x", "parent": parent, "goes_on": True, "time": 1, "address": "",
        "experiment": "weldproof", "tags": {},
    }  # fmt: skip


class Wire:
    """The real client, of which one call is lost: on its way there, or on the way back, when it has done its work."""

    def __init__(self, client, lost, answered):
        self._client, self._left, self._answered = client, lost, answered

    def __getattr__(self, name):
        def call(*values, **named):
            self._left -= 1
            if not self._left and not self._answered:
                raise ConnectionError("lost on its way there")
            answer = getattr(self._client, name)(*values, **named)
            if not self._left:
                raise ConnectionError("lost on its way back")
            return answer

        return call


class Stoppages(RuleBasedStateMachine):
    """A training that records epochs, is killed and goes on from an earlier one, and two senders that fail at any call."""

    database = ""

    def __init__(self):
        super().__init__()
        self.root = tempfile.mkdtemp()
        os.environ["DVC_ROOT"] = self.root
        self.identity, self.run, self.epoch, self.values = uuid4().hex, None, 0, iter(range(10**6))
        self.recorded = {}
        self.senders = {}
        for number in range(2):
            self.new_sender(number)

    @rule(number=st.integers(0, 1))
    def new_sender(self, number):
        """It was killed: what it knew is forgotten."""
        store = Store(f"sqlite:///{self.database}")
        self.senders[number] = store, store.client, Outbox(store, "")

    @precondition(lambda self: self.run is None)
    @rule()
    def begin(self):
        self.run = TrackedRun(head(self.identity))

    @precondition(lambda self: self.run)
    @rule(epochs=st.integers(1, 3))
    def train(self, epochs):
        for _ in range(epochs):
            self.epoch += 1
            value = float(next(self.values))
            self.run.log_metrics({"a": value, "b": value}, step=self.epoch)
            self.recorded.setdefault(self.epoch, value)

    @precondition(lambda self: self.run)
    @rule(length=st.integers(0, 60), back=st.integers(0, 3))
    def killed(self, length, back):
        """While it writes, so that `length` bytes of an epoch's record are there."""
        self._write_in_part(length)
        os.close(self.run._journal._file)
        self.run = None
        self.epoch = max(0, self.epoch - back)

    @precondition(lambda self: self.run)
    @rule(length=st.integers(0, 60))
    def full_disk(self, length):
        """The record of an epoch is cut short; what comes after is not."""
        self._write_in_part(length)
        self.epoch += 1

    def _write_in_part(self, length):
        record = {"kind": "metrics", "time": 5, "step": self.epoch + 1, "values": {"a": -1.0, "b": -1.0}}
        os.write(self.run._journal._file, (b"\n" + json.dumps(record).encode())[:length])

    @precondition(lambda self: self.run)
    @rule(status=st.sampled_from(["FINISHED", "KILLED"]))
    def end(self, status):
        self.run.end(status)
        self.run = None

    @rule(number=st.integers(0, 1), lost=st.integers(1, 16), answered=st.booleans())
    def send(self, number, lost, answered):
        store, client, outbox = self.senders[number]
        store.client = Wire(client, lost, answered)
        with suppress(TrackingError):
            outbox.send()
        store.client = client
        outbox._refused.clear()

    def teardown(self):
        if self.run:
            self.run.end("FINISHED")
        outbox = self.senders[0][2]
        assert outbox.send()
        assert outbox.refusal is None
        assert not waiting(tracking_folder())
        with sqlite3.connect(self.database) as connection:
            query = (
                "select step, value from metrics where key = ? and run_uuid in "
                f"(select run_uuid from tags where key = '{IDENTITY}' and value = ?) order by rowid"
            )
            for key in ("a", "b"):
                assert connection.execute(query, [key, self.identity]).fetchall() == list(self.recorded.items())
            count = "select count(*) from tags where key = ? and value = ?"
            assert connection.execute(count, [IDENTITY, self.identity]).fetchone()[0] <= 1
        shutil.rmtree(self.root)


def test_every_record_arrives_once_and_in_order_whatever_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(Stoppages, "database", str(tmp_path / "mlflow.db"))
    run_state_machine_as_test(
        Stoppages,
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_sender_does_not_trust_what_it_knew_before_another_one_sent(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    address = f"sqlite:///{tmp_path}/mlflow.db"
    here, there = (Outbox(Store(address), "") for _ in range(2))
    run = TrackedRun(head("a0"))
    for outbox, step in ((here, 1), (there, 2)):
        run.log_metrics({"a": 1.0}, step=step)
        outbox.send()
    run.end()
    again = TrackedRun(head("a0"))
    again.log_metrics({"a": 3.0}, step=2)
    again.end()
    here.send()
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        assert connection.execute("select step, value from metrics").fetchall() == [(1, 1.0), (2, 1.0)]


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path, head("a0"))
    yield journal
    if waiting(tmp_path):
        journal.close()


def test_journal_is_over_when_its_writer_is_gone(journal):
    (found,) = waiting(journal.path.parent, "")
    assert not found.is_over()
    os.close(os.dup(journal._file))  # one that a fork held
    assert not found.is_over()
    journal.append({"kind": "x"})
    journal.close()
    assert found.is_over()
    assert [record["kind"] for record, _ in found.unsent(whole=True)] == ["run", "x"]
    found.remove()
    assert list(journal.path.parent.iterdir()) == []


def test_a_journal_whose_head_was_lost_has_no_address(journal, monkeypatch):
    """The first page of the file was not yet on the disk when the power went."""
    journal.append({"kind": "x"})
    (found,) = waiting(journal.path.parent, "")
    whole = journal.path.read_bytes()
    head = whole.index(b"\n") + 1
    journal.path.write_bytes(bytes(head) + whole[head:])
    assert found.address() is None
    said = []
    monkeypatch.setattr("pipeline.tracking.sender.tracking_folder", lambda: journal.path.parent)
    sync(None, said.append)
    assert said == [
        f"{journal.path}: a loss of power took what run this is of; it cannot be sent, and may be removed",
        "nothing waits",
    ]


def test_journals_stay_in_order_when_the_clock_is_set_back(journal, monkeypatch):
    monkeypatch.setattr("pipeline.tracking.journal.time.time_ns", lambda: 1)
    later = Journal(journal.path.parent, head("a0"))
    assert [found.path for found in waiting(journal.path.parent)] == [journal.path, later.path]
    later.close()


def test_what_is_kept_does_not_change_with_its_source(journal, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "net").write_text("as it was")
    journal.keep("1", {"models": source, "reports": source})
    (source / "net").unlink()
    (source / "net").write_text("changed")
    (found,) = waiting(tmp_path)
    assert {path.read_text() for path in found.files.rglob("net")} == {"as it was"}


def test_one_sends_a_runs_journals_at_a_time(tmp_path):
    with sending(tmp_path, "a0") as first, sending(tmp_path, "a0") as second, sending(tmp_path, "b0") as other:
        assert (first, second, other) == (True, False, True)
    with sending(tmp_path, "a0") as again:
        assert again


def test_note_that_is_lost_or_broken_is_as_none(journal):
    found = Waiting(journal.path)
    ends = [end for _, end in found.unsent(whole=False)]
    found.note(ends[-1])
    assert list(found.unsent(whole=False)) == []
    Path(journal.path.with_suffix(".sent")).write_text("")
    assert [end for _, end in found.unsent(whole=False)] == ends
