"""Python processes that start at once, because they are forked from one that has loaded the large packages.

To load PyTorch, torchvision and scikit-learn takes four seconds of a processor, more than most trainings in the tests.
What runs in such a process is what would run in any other: the real script, with arguments, a folder, an environment
and an end of its own. Nothing of this project is loaded before, so that a process has of it what its script imports.
What is about the start of a process, or about signals, is not started here.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

PACKAGES = (
    "cv2", "PIL.Image", "pydantic", "ruamel.yaml", "filelock", "tqdm.contrib.logging", "psutil", "jinja2", "faiss",
    "safetensors.torch", "torch", "torch._dynamo", "torch.distributed", "torchvision", "sklearn.metrics", "scipy.stats",
    "scipy.optimize", "matplotlib.figure", "matplotlib.backends.backend_agg",
)  # fmt: skip


def run(command, cwd, env, timeout=300, text=True):
    """As `subprocess.run`, of ``[script, *arguments]`` or ``["-m", module, *arguments]``, with both outputs."""
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        request = {"command": list(map(str, command)), "cwd": str(cwd), "env": env, "said": list(map(str, said))}
        nursery = _nursery()
        nursery.stdin.write(json.dumps(request | {"timeout": timeout}) + "\n")
        nursery.stdin.flush()
        code = json.loads(nursery.stdout.readline())
        outputs = [path.read_text() if text else path.read_bytes() for path in said]
    if code is None:
        raise subprocess.TimeoutExpired(command, timeout, *outputs)
    return subprocess.CompletedProcess(command, code, *outputs)


@cache
def _nursery():
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)
    return process


def _serve():
    import gc
    import importlib
    import signal

    for name in PACKAGES:
        importlib.import_module(name)
    gc.freeze()
    channel = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            os.close(channel)
            return request
        # The child has as long as it is given; the wait itself cannot be given a limit.
        signal.signal(signal.SIGALRM, lambda *_, child=child: os.kill(child, signal.SIGKILL))
        signal.alarm(request["timeout"])
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        in_time = signal.alarm(0) or code != -signal.SIGKILL
        os.write(channel, f"{json.dumps(code if in_time else None)}\n".encode())
    return None


def _become(request):
    """Be what a new process of this command would be."""
    import runpy
    import signal

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number, path in enumerate(request["said"], start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    path = [part for part in request["env"].get("PYTHONPATH", "").split(os.pathsep) if part]
    sys.path[1:1] = path
    first, *arguments = request["command"]
    if first == "-m":
        sys.argv = arguments
        sys.path[0] = request["cwd"]
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *arguments]
        sys.path[0] = str(Path(first).parent)
        runpy.run_path(first, run_name="__main__")


def _code(request):
    try:
        _become(request)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
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


if __name__ == "__main__":
    asked = _serve()
    if asked:
        _end(_code(asked))
