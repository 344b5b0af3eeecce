"""Where a run comes from: the commit, the DVC experiment, the person; and what it is called by."""

import getpass
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

TRACKED_SECTIONS = ("data", "resize", "group", "classes", "split", "train")
"""Of params.yaml: what a trained net depends on."""

_LONGEST_NAME = 100
"""Characters of a run's name: about what a table of runs shows before it cuts."""


def git_and_dvc_tags() -> dict[str, str]:
    """Return the tags that say what a run was made of and who made it."""
    stage = f"src/{Path(sys.argv[0]).name}"
    tags = {"mlflow.source.name": stage, "mlflow.source.type": "PROJECT", "mlflow.user": user()}
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags["mlflow.source.git.commit"] = commit
        tags["git.clean"] = str(not _git("status", "--porcelain")).lower()
    if os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = os.environ["DVC_EXP_NAME"]
        tags["dvc.baseline"] = os.environ.get("DVC_EXP_BASELINE_REV", "")
    return tags


def run_name(title: str, params: Mapping[str, Any]) -> str:
    """Return what tells a run from others: the parameters that differ from the committed ones, ``lr=0.001 epochs=40``.

    Where none does, it is the DVC experiment's name and the title, or the title alone. Nothing raises: a name is not
    worth a training.

    Parameters
    ----------
    title : what is trained, in words
    params : the sections of params.yaml, all of them. In a name, `train` goes without saying
    """
    try:
        revision = os.environ.get("DVC_EXP_BASELINE_REV") or "HEAD"
        committed = YAML(typ="safe", pure=True).load(_git("show", f"{revision}:./params.yaml"))
        sections = [name for name in reversed(TRACKED_SECTIONS) if name in params]
        told = [
            f"{'.'.join(path).removeprefix('train.')}={_shown(value)}"
            for name in sections
            if isinstance(committed, Mapping)
            for path, value in _differences(params[name], committed.get(name), (name,))
        ]
    except Exception:
        told = []
    experiment = os.environ.get("DVC_EXP_NAME")
    return _cut(told) if told else f"{experiment}: {title}" if experiment else title


def _differences(now: Any, then: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and the value of what is not as it was; of what is gone, None."""
    if isinstance(now, Mapping) and isinstance(then, Mapping) and now and then:
        for key in dict.fromkeys([*now, *then]):
            yield from _differences(now.get(key), then.get(key), (*path, str(key)))
    elif now != then:
        yield path, now


def _shown(value: Any) -> str:
    """Return a value in a word or two, as YAML has it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _cut(told: list[str]) -> str:
    """Return the differences as far as they are short together, and how many more there are."""
    kept = told[:1]
    for each in told[1:]:
        if len(" ".join([*kept, each])) > _LONGEST_NAME:
            break
        kept.append(each)
    left = len(told) - len(kept)
    return " ".join(kept) + (f" and {left} more" if left else "")


def user() -> str:
    """Return the name of who runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container the user's number may have no name.
        return str(os.getuid())


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
