"""The answers of a run, by whatever a person calls it: a folder, a git revision, a DVC experiment, an MLflow run.

They are looked for in this order, and the first that there is is taken:

1. a folder with a predictions.csv
2. a git revision: a branch, a tag, a commit
3. the name of a DVC experiment
4. an MLflow run: by MLflow's id, by that in models/run.json, or by its name, if no other run has it
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.assignment import read_rows
from pipeline.errors import DataError
from pipeline.text import shown
from pipeline.tracking.places import shown_address, tracking_uri

PREDICTIONS = "predictions.csv"
REPORTED = f"reports/{PREDICTIONS}"
ASSIGNMENT = Path("data/split/assignment.csv")


@dataclass(frozen=True)
class Run:
    """What was found.

    Attributes
    ----------
    where : in words.
    predictions : the text of its predictions.csv.
    groups : path -> group of what belongs together, as `split` knew it; empty where nothing is known.
    """

    where: str
    predictions: str
    groups: dict[str, str]


def find_run(name: str) -> Run:
    """Find a run by what a person calls it.

    Raises
    ------
    DataError
        If there is none, several are called so, or its predictions.csv cannot be had.
    TrackingError
        If it is none of the others, and MLflow cannot be asked.
    """
    for look in (_in_folder, _at_revision, _of_experiment, _in_mlflow):
        run = look(name)
        if run:
            return run
    raise DataError(
        f"{shown(name)}: wanted a folder with {PREDICTIONS}, a git revision, a DVC experiment, or the id or name of an "
        f"MLflow run (at {shown_address(tracking_uri())}), found none of these"
    )


def _in_folder(name: str) -> Run | None:
    path = Path(name) / PREDICTIONS
    try:
        there = path.is_file()
    except OSError:  # a name that no file may have
        there = False
    if not there:
        return None
    return Run(shown(path), text_of(shown(path), path), _groups_here())


def _at_revision(name: str) -> Run | None:
    # A revision is no switch, whatever it begins with.
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return _at_commit(commit.strip(), f"git {shown(name)}") if commit else None


def _of_experiment(name: str) -> Run | None:
    """Look through DVC's refs, refs/exps/BASELINE/NAME, which is where it documents its experiments to be."""
    refs = (_git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps") or "").splitlines()
    commits = [ref.split(" ")[0] for ref in refs if ref.count("/") == 4 and ref.endswith(f"/{name}")]
    if len(commits) > 1:
        raise DataError(f"{shown(name)}: wanted one DVC experiment, found {len(commits)}: give one of {_list(commits)}")
    return _at_commit(commits[0], f"DVC experiment {shown(name)}") if commits else None


def _at_commit(commit: str, where: str) -> Run:
    where = f"{REPORTED} at {where} ({commit[:7]})"
    groups = groups_of(_git("show", f"{commit}:./{ASSIGNMENT.as_posix()}") or "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PREDICTIONS
        command = [sys.executable, "-m", "dvc", "get", ".", REPORTED, "--rev", commit, "--out", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            told = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
            reason = told[0].removeprefix("ERROR: ").removeprefix("unexpected error - ") if told else "no reason given"
            raise DataError(f"{where}: wanted it from DVC's cache or remote, found: {shown(reason)}")
        return Run(where, text_of(where, path), groups)


def _in_mlflow(name: str) -> Run | None:
    # Loads MLflow, which takes seconds: only where it is none of the others.
    from pipeline.tracking.store import open_store

    store = open_store(tracking_uri())
    found = store.find_runs(name) if store else []
    if not store or not found:
        return None
    if len(found) > 1:
        raise DataError(
            f"{shown(name)}: wanted one MLflow run of that name, found {len(found)}: give one of {_list(found)}"
        )
    where = f"{REPORTED} of MLflow run {found[0]}"
    with tempfile.TemporaryDirectory() as folder:
        path = store.download(found[0], REPORTED, Path(folder))
        if path is None:
            raise DataError(f"{where}: wanted it among the run's artifacts, found nothing; evaluate puts it there")
        return Run(where, text_of(where, path), _groups_here())


def _list(names: list[str]) -> str:
    return ", ".join([*(name[:32] for name in sorted(names)[:5]), *(["..."] if len(names) > 5 else [])])


def text_of(where: str, path: Path) -> str:
    """Return a table's text, its line ends as they are. Raises DataError if it is none.

    Parameters
    ----------
    where : what the error calls it.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: wanted a CSV table, found {error}") from None


def _groups_here() -> dict[str, str]:
    return groups_of(text_of(str(ASSIGNMENT), ASSIGNMENT)) if ASSIGNMENT.is_file() else {}


def groups_of(assignment: str) -> dict[str, str]:
    """Return path -> group by the text of an assignment; empty if it is none."""
    try:
        return {row.path: row.group for row in read_rows(ASSIGNMENT, assignment) if row.group}
    except DataError:
        # One of another time, or none. A run is comparable all the same, and it is told of how many nothing is known.
        return {}


def _git(*arguments: str) -> str | None:
    """Return what git says; None where it says no, or is not there."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode("utf-8", "surrogateescape")
