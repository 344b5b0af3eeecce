"""What a stage tells the tracker of: written to a journal on disk, which a process of its own sends to MLflow.

The files that the stages write are the truth; MLflow is their mirror. So nothing here waits for the store, nothing
raises because of it, and a run that a store does not have can be mirrored into it from those files.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

from pipeline.tracking.journal import Journal
from pipeline.tracking.origin import TRACKED_SECTIONS, git_and_dvc_tags, run_name
from pipeline.tracking.places import configured_address, tracking_folder
from pipeline.tracking.sender import beside

EXPERIMENT = "weldproof"

SERVING_PACKAGES = (
    "mlflow",
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pydantic",
    "safetensors",
    "scipy",
    "torch",
    "torchvision",
    "tqdm",
)
"""What `pipeline.serving` imports; their versions are noted in the model."""

logger = logging.getLogger(__name__)


class TrackedRun:
    """A run, by this project's own id of it, and its journal.

    What is given twice is recorded once: a metric by its name and step, also by a training that was broken off and
    goes on in its run. A disk that refuses the journal costs no training either: it is told once, and what it misses
    `evaluate` finds in `models/`.

    Parameters
    ----------
    head : what the journal begins with
    """

    def __init__(self, head: Mapping[str, object]) -> None:
        self.run_id = str(head["id"])
        self._head = head
        self._journal: Journal | None = None
        self._refused = False
        self._kept = 0
        with self._disk():
            self._journal = Journal(tracking_folder(), head)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._refused:
                logger.warning("tracker: %s: %s; going on without", tracking_folder(), error.strerror or error)
            self._refused = True

    def _add(self, kind: str, **content: object) -> None:
        with self._disk():
            if self._journal is None:
                self._journal = Journal(tracking_folder(), self._head)
            self._journal.append({"kind": kind, "time": _now()} | content)

    def _keep(self, sources: Mapping[str, Path]) -> str:
        """Keep files for a record, which calls them by the name that is returned."""
        if self._journal is None:
            raise OSError("no journal")
        self._kept += 1
        self._journal.keep(str(self._kept), sources)
        return str(self._kept)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics at a step (an epoch); none that the run has at that step already."""
        self._add("metrics", step=step, values={metric_name(name): float(value) for name, value in metrics.items()})

    def mirror(self, epochs: Mapping[int, Mapping[str, float]]) -> None:
        """Log the metrics of all epochs that the run does not have yet."""
        for epoch, metrics in epochs.items():
            self.log_metrics(metrics, step=epoch)

    def update_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log final results at step 0, which the UI compares as bars; none that the run has already."""
        self._add("results", values={metric_name(name): float(value) for name, value in metrics.items()})

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log parameters, flattened with dots; those that the run has are left as they are."""
        self._add("params", values={metric_name(key): _text(value) for key, value in flatten(params)})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; those of the same names are replaced."""
        if tags:
            self._add("tags", values={metric_name(key): _text(value) for key, value in tags.items()})

    def log_inputs(self, sections: Mapping[str, Any], images: Path, assignment: Path) -> None:
        """Log all that a training depends on: the sections of params.yaml that matter, and the data.

        Parameters
        ----------
        sections : of params.yaml, all of them
        images, assignment : as for `log_data`
        """
        self.log_params({name: sections[name] for name in TRACKED_SECTIONS if name in sections})
        self.log_data(str(sections.get("data", {}).get("folder", "")), images, assignment)

    def log_data(self, name: str, images: Path, assignment: Path) -> None:
        """Say what the run was trained on: the hashes that DVC knows the packed set and the split by.

        Parameters
        ----------
        name : of the data set, as it stands in the run's data-set column.
        images, assignment : files; DVC's hash of a file is the MD5 of its bytes.
        """
        packed, split = _md5(images), _md5(assignment)
        self.set_tags({"dvc.packed": packed, "dvc.split": split})
        self._add("data", name=_text(name), digest=packed)

    def log_result(self, description: str, models: Path, reports: Path, params: Mapping[str, object]) -> None:
        """Add what `evaluate` made: its text (Markdown) as the run's description, its files, its parameters as tags.

        Tags, not parameters: an evaluation can be repeated with others, and MLflow never changes a parameter.
        """
        self._add("note", text=_text(description))
        self.set_tags({f"evaluate.{key}": value for key, value in flatten(params)})
        tables = {f"training/{table.name}": table for table in sorted(models.glob("*.csv"))}
        with self._disk():
            self._add("files", kept=self._keep({"reports": reports} | tables))

    def log_page(self, page: Path) -> None:
        """Add a page to the reports of the run, in place of one of its name."""
        with self._disk():
            self._add("files", kept=self._keep({f"reports/{page.name}": page}))

    def register(self, models: Path, assignment: Path, registered_name: str, rule: Mapping[str, float]) -> None:
        """Log the folder of a trained net as a model that takes image files, register and judge it; once a run.

        Kept until it is sent: the net, the code and the versions of the packages that it is served with, and the
        assignment.

        Parameters
        ----------
        assignment : says which photographs belong together
        rule : by which the version becomes champion, for the sender's `Judge`
        """
        code = Path(__file__).parent.parent
        with self._disk():
            kept = self._keep({"models": models, code.name: code})
            self._add("model", name=registered_name, kept=kept, requirements=_serving_requirements())
            kept = self._keep({assignment.name: assignment})
            self._add("verdict", name=registered_name, kept=kept, rule=rule)

    def end(self, status: str | None = None) -> None:
        """End the journal; with a status, the run: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        if status:
            self._add("status", status=status, of=self.run_id)
        if self._journal:
            self._journal.close()
        self._journal = None


@contextmanager
def training_run(
    name: str, parent: str | None = None, again: str | None = None, params: Mapping[str, Any] | None = None
) -> Iterator[TrackedRun]:
    """Give a run that ends with the block: finished, failed, or killed by Ctrl-C.

    The store is not waited for, but for `sender.PATIENCE` seconds at the end of the outermost block.

    Parameters
    ----------
    parent : id of the run that this one is a part of. A part is the same run whenever it has the same name
    again : id of a run that was broken off and goes on; the store makes a new one where it does not have it
    params : the sections of params.yaml; where they differ from the committed ones, the run is called by what differs
    """
    with nullcontext() if parent else beside():
        called = run_name(name, params) if params else name
        run = TrackedRun(_head(again or _new_id(name, parent), called, parent, goes_on=True))
        try:
            yield run
        except BaseException as error:
            run.end("KILLED" if isinstance(error, KeyboardInterrupt | SystemExit) else "FAILED")
            raise
        run.end("FINISHED")


@contextmanager
def run_of_training(models: Path) -> Iterator[TrackedRun]:
    """Give the run of a trained net; the store makes a copy where it has none: the training was done elsewhere.

    As long as the store works, the end of the block waits until it has all. A store that fails is not waited for
    longer than `sender.PATIENCE` seconds.

    Parameters
    ----------
    models : what `train` left
    """
    run_id = str(json.loads((models / "run.json").read_text(encoding="utf-8"))["run_id"])
    with beside(patient=True):
        run = TrackedRun(_head(run_id, f"copy of {run_id[:8]}", None, goes_on=False))
        try:
            yield run
        finally:
            run.end()


def _new_id(name: str, parent: str | None) -> str:
    return uuid5(UUID(parent), name).hex if parent else uuid4().hex


def _head(run_id: str, name: str, parent: str | None, goes_on: bool) -> dict[str, object]:
    return {
        "kind": "run",
        "id": run_id,
        "name": name,
        "parent": parent,
        "goes_on": goes_on,
        "time": _now(),
        "address": configured_address(),
        "experiment": os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT),
        "tags": git_and_dvc_tags(),
    }


def _now() -> int:
    return time.time_ns() // 1_000_000


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _serving_requirements() -> list[str]:
    # A local label such as +cpu names a build that a package index does not have.
    return [f"{name}=={version(name).split('+')[0]}" for name in SERVING_PACKAGES]


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings with their keys joined by dots."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{name}.")
        else:
            yield name, value


def metric_name(name: str) -> str:
    """Return `name`, also of a parameter or a tag, as MLflow takes it: letters, digits and ``_-. :/``, 250 at most.

    Where that changes it, the head of its hash follows, so that two names never become one.
    """
    clean = "".join(letter if letter.isalnum() or letter in "_-. :/" else "_" for letter in name)[:240]
    clean = "/".join("_" if step in ("", ".", "..") else step for step in clean.split("/"))
    if clean == name:
        return name
    return f"{clean}.{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


def _text(value: object) -> str:
    # A file's name may hold bytes that are no text; no store takes them.
    return str(value).encode("utf-8", "replace").decode("utf-8")
