"""A version of the code that makes an output, so that nothing is reused that today's code would make otherwise."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType


def code_version(modules: Sequence[ModuleType], packages: Sequence[str]) -> str:
    """Return a hash of the source files of `modules` and the installed versions of `packages`: 16 hexadecimal digits.

    A number that someone must remember to raise would be forgotten once. `modules` must name every module of this
    project that has a say in the output's bytes; a test holds them to the imports.
    """
    digest = hashlib.sha256()
    for module in modules:
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    for package in packages:
        digest.update(f"{package}=={version(package)}\n".encode())
    return digest.hexdigest()[:16]
