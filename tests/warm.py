"""A `python`, and a `dvc`, that start at once, because they are forked from a process that has loaded the large packages.

To load PyTorch, scikit-learn, MLflow and DVC takes up to six seconds of a processor, more than most trainings in the
tests. What runs is what would run otherwise: the real script or module, with arguments, a folder, an environment, open
files and an end of its own; it is killed with the process that was started. Nothing of this project is loaded before, so
that a process has of it what its script imports. What is read when Python or a package starts (`PYTHONHASHSEED`,
`OMP_NUM_THREADS`) is as it was in the tests; who asks about that, or about children, takes the real one,
`sys.executable`.
"""

import atexit
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

PACKAGES = (
    "cv2", "PIL.Image", "pydantic", "ruamel.yaml", "filelock", "tqdm.contrib.logging", "psutil", "jinja2", "faiss",
    "safetensors.torch", "torch", "torch._dynamo", "torch.distributed", "torchvision", "sklearn.metrics", "scipy.stats",
    "scipy.optimize", "matplotlib.figure", "matplotlib.backends.backend_agg", "pandas", "mlflow",
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store", "dvc.cli",
    "dvc.commands.repro", "dvc.commands.experiments.run", "dvc.repo.reproduce", "dvc.repo.experiments", "dvc.stage.run",
    "dvc_data.index.checkout", "celery",
)  # fmt: skip


_READY = b"ready\n"


def run(command, cwd, env, timeout=300, text=True):
    """As `subprocess.run`, of what follows `python`, with both outputs."""
    return subprocess.run(
        [python(), *map(str, command)],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=text,
        timeout=timeout,
        check=False,
    )


def python():
    """The path of the `python` that starts at once."""
    return str(folder_of_programs() / "python")


@cache
def folder_of_programs():
    """A folder, to stand first on a PATH, with `python` and `dvc`, and `mlflow` as it is."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    atexit.register(shutil.rmtree, folder)
    address, real = folder / "socket", Path(sys.executable)
    command = [real, __file__, "nursery", address, folder / "python"]
    nursery = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    atexit.register(nursery.communicate)
    assert nursery.stdout.readline() == _READY, "the process that loads the large packages did not start"
    client = shlex.join([str(real), "-I", "-S", __file__, "client", str(address), str(real)])
    for name, module in (("python", ""), ("dvc", "-m dvc ")):
        (folder / name).write_text(f'#!/bin/sh\nexec {client} {module}"$@"\n')
        (folder / name).chmod(0o755)
    (folder / "mlflow").symlink_to(real.with_name("mlflow"))
    return folder


def _client(address, real, *command):
    """Have the nursery start a process, hand signals on to it, and end as it does."""
    import signal

    if command[:1] == ("-u",):  # as torchrun starts its ranks; nothing is read from them before they end
        command = command[1:]
    if not (command and (command[0] in ("-m", "-c") or command[0].endswith(".py"))):
        os.execv(real, [real, *command])
    files = [number for number in (int(each.name) for each in Path("/proc/self/fd").iterdir()) if _is_open(number)]
    request = {"command": command, "cwd": str(Path.cwd()), "env": dict(os.environ), "files": files}
    with socket.socket(socket.AF_UNIX) as nursery:
        nursery.connect(address)
        socket.send_fds(nursery, [b"."], files)
        nursery.sendall(f"{json.dumps(request)}\n".encode())
        with nursery.makefile() as answers:
            child = int(answers.readline())
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda which, _: os.kill(child, which))
            code = int(answers.readline())
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


class _Nursery:
    """Forks a process for each client, kills that of a client who is gone, and ends with the tests."""

    def __init__(self, address):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(64)
        self._children = {}  # each child twice: socket of its client or pidfd -> (socket, pidfd, pid)

    def serve(self):
        """Return, in a process that was forked, what it is to be; in the nursery itself None, at the end."""
        import select

        while True:
            ready, _, _ = select.select([*self._children, sys.stdin, self._listener], [], [])
            # Who is gone comes before who is new: what was killed is dead before its successor starts.
            for each in ready:
                if each in self._children:  # and not ended by the other of the two
                    self._reap(each)
            if sys.stdin in ready:
                return self._kill_all()
            if self._listener in ready:
                request = self._begin()
                if request:
                    return request

    def _begin(self):
        client, _ = self._listener.accept()
        files = []
        try:
            _, files, _, _ = socket.recv_fds(client, 1, 250)
            with client.makefile() as requests:
                request = json.loads(requests.readline())
        except (OSError, ValueError):  # it was killed meanwhile
            client.close()
        else:
            child = os.fork()
            if child == 0:
                os.setsid()
                self._leave(client)
                return request | {"files": dict(zip(request["files"], files, strict=True))}
            process = os.pidfd_open(child)
            self._children |= dict.fromkeys((client, process), (client, process, child))
            with suppress(OSError):
                client.sendall(f"{child}\n".encode())
        for file in files:
            os.close(file)
        return None

    def _reap(self, each):
        import signal

        client, process, child = self._children[each]
        if each is client:
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        del self._children[client], self._children[process]
        with suppress(OSError):
            client.sendall(f"{code}\n".encode())
        client.close()
        os.close(process)

    def _kill_all(self):
        for client in [each for each in self._children if isinstance(each, socket.socket)]:
            self._reap(client)

    def _leave(self, client):
        for each in (self._listener, client, *self._children):
            os.close(each if isinstance(each, int) else each.detach())


def _become(request):
    """Be what a new process of this command would be."""
    import fcntl
    import multiprocessing
    import runpy

    apart = {number: fcntl.fcntl(file, fcntl.F_DUPFD, 500) for number, file in request["files"].items()}
    for file in request["files"].values():
        os.close(file)
    for number, file in apart.items():
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.executable = request["executable"]  # so that what it starts starts at once, too
    multiprocessing.set_executable(sys.executable)
    sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    path = [part for part in request["env"].get("PYTHONPATH", "").split(os.pathsep) if part]
    sys.path[1:1] = path
    first, *arguments = request["command"]
    if first == "-c":
        sys.argv, sys.path[0] = ["-c", *arguments[1:]], ""
        main = sys.modules["__main__"] = type(sys)("__main__")
        exec(compile(arguments[0], "<string>", "exec"), main.__dict__)
    elif first == "-m":
        sys.argv = arguments
        sys.path[0] = request["cwd"]
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *arguments]
        sys.path[0] = str(Path(first).resolve().parent)
        runpy.run_path(first, run_name="__main__")


def _code(request):
    try:
        _become(request)
    except SystemExit as end:
        if isinstance(end.code, int) or end.code is None:
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _end(code):
    """End as Python does, but for taking all modules apart, which takes a second of a processor."""
    import threading

    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _serve(address, executable):
    """Be the nursery, or in the end one of its children."""
    import gc
    import importlib

    nursery = _Nursery(address)
    for name in PACKAGES:
        importlib.import_module(name)
    gc.freeze()
    os.write(1, _READY)
    os.dup2(2, 1)
    request = nursery.serve()
    if request:
        _end(_code(request | {"executable": executable}))


if __name__ == "__main__":
    {"client": _client, "nursery": _serve}[sys.argv[1]](*sys.argv[2:])
