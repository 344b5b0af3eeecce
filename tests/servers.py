"""A real MLflow server that can be stopped, killed and started again, and what can stand between it and a training."""

import itertools
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from conftest import environment


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(url, process, log, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"no answer from {url}: {log.read_text()}")


class MlflowServer:
    """A server with its store in `folder`."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        self.address = f"http://127.0.0.1:{self.port}"
        self.database = folder / "store.db"

    def start(self):
        log = self.folder / "log"
        with log.open("a") as file:
            self.process = subprocess.Popen(
                [
                    Path(sys.executable).with_name("mlflow"), "server", "--workers", "1", "--host", "127.0.0.1",
                    "--port", str(self.port), "--backend-store-uri", f"sqlite:///{self.database}",
                    "--artifacts-destination", (self.folder / "artifacts").as_uri(),
                ],
                cwd=self.folder, env=environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        wait_for(f"{self.address}/health", self.process, log)

    def signal(self, number):
        """Send a signal to all of its processes."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait(timeout=30)

    def ask(self, query, *values):
        """Ask its database."""
        with sqlite3.connect(self.database) as connection:
            return connection.execute(query, values).fetchall()

    def points(self, run, metric):
        """The steps of a metric, in the order in which they came; all runs with this identity together."""
        query = (
            "select step from metrics where key = ? and run_uuid in (select r.run_uuid from tags t join runs r on "
            "r.run_uuid = t.run_uuid where t.key = 'trained_as' and t.value = ? and r.lifecycle_stage = 'active') "
            "order by metrics.rowid"
        )
        return [step for (step,) in self.ask(query, metric, run)]

    def runs(self, run):
        """The names and states of the active runs with this identity."""
        query = (
            "select r.name, r.status from tags t join runs r on r.run_uuid = t.run_uuid "
            "where t.key = 'trained_as' and t.value = ? and r.lifecycle_stage = 'active'"
        )
        return self.ask(query, run)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.respond(body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@contextmanager
def _serving(handler):
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def refusing(status):
    """A server that answers everything with this status; its address."""

    class Refusing(_Handler):
        def respond(self, _):
            self.send_error(status)

    return _serving(Refusing)


def unreliable(port, cut=0, delay=0.0):
    """What passes every request on to a server, and every answer but each `cut`-th, after `delay` seconds; its address.

    When an answer is cut off, the server has done what was asked.
    """
    numbers = itertools.count(1)

    class Unreliable(_Handler):
        def respond(self, body):
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            time.sleep(delay)
            if cut and next(numbers) % cut == 0:
                return
            self.send_response(answer.status)
            self.send_header("content-type", answer.headers.get("content-type", "application/json"))
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return _serving(Unreliable)
