"""Weldproof: from a folder of inspection photographs to a classifier whose numbers can be defended.

>>> import pipeline
>>> pipeline.load("models").predict(["a.jpg"])  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.registry import load as load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    # Loads PyTorch, which takes seconds: not for whoever imports another part of the package.
    if name == "load":
        return import_module("pipeline.registry").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
