"""MLflow: the only module that imports it.

The files that the stages write are the truth; MLflow is their mirror. So nothing here is needed to train, and a run
that a store does not have can be mirrored into it from those files.
"""

import getpass
import hashlib
import logging
import os
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

# A server that is down must be told within seconds, not after the four minutes of the default retries. MLflow reads
# these when a request is made; whoever sets them keeps them.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

import mlflow
import mlflow.pyfunc
from filelock import FileLock
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.utils.time import get_current_time_millis
from sqlalchemy.exc import SQLAlchemyError

from pipeline.errors import TrackingError
from pipeline.files import project_root

EXPERIMENT = "weldproof"
# The UI then opens with runs, charts and models in place of what it has for chat programs.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
MODEL_NAME = "model"
"""Where the model stands in a run."""

SIGNATURE = ModelSignature(
    # One column without a name: MLflow then takes a list of files' bytes as well as a table with one column.
    inputs=Schema([ColSpec(DataType.binary)]),
    outputs=Schema([ColSpec(DataType.string, "class"), ColSpec(DataType.double, "probability")]),
)

SERVING_PACKAGES = (
    "mlflow",
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pydantic",
    "safetensors",
    "torch",
    "torchvision",
    "tqdm",
)
"""What `pipeline.serving` imports; their versions are noted in the model."""

_TRACKED_SECTIONS = ("data", "resize", "group", "classes", "split", "train")

_PARAM_LIMIT = 6000
"""Characters of a parameter's value that MLflow keeps."""

logger = logging.getLogger(__name__)
logging.getLogger("mlflow").setLevel(logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)


@contextmanager
def _mlflow_errors(action: str) -> Iterator[None]:
    """Turn MLflow's and its database's exceptions into a TrackingError of one line."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TrackingError(f"MLflow at {tracking_uri()}: cannot {action}: {reason[:300]}") from None


def tracking_uri() -> str:
    """Return the store's address: `MLFLOW_TRACKING_URI`, or ``mlflow.db`` in the main checkout."""
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    relative = "sqlite:///"
    if not address:
        address = f"{relative}mlflow.db"
    if not address.startswith(relative) or address.startswith(f"{relative}/"):
        return address
    if project_root() == Path.cwd():
        # Left relative: a folder may have a ? in its name, an address may not.
        return address
    return f"{relative}{project_root() / address.removeprefix(relative)}"


@dataclass
class TrackedRun:
    """A run in the store.

    A `strict` run raises TrackingError where the store fails. One that is not says so in the log and goes on, because
    a training must not be lost to its tracker; epochs that could not be sent are sent with the next, or by `mirror`.
    A run that goes on after it was broken off has `logged` already what it would log again (name of a metric, step).
    """

    client: mlflow.MlflowClient
    run_id: str
    strict: bool
    logged: frozenset[tuple[str, int]] = frozenset()
    _pending: list[Metric] = field(default_factory=list)

    @contextmanager
    def _talk(self, action: str) -> Iterator[None]:
        try:
            with _mlflow_errors(action):
                yield
        except TrackingError as error:
            if self.strict:
                raise
            logger.warning("%s", error)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics at a step (an epoch)."""
        now = get_current_time_millis()
        named = [(metric_name(name), float(value)) for name, value in metrics.items()]
        self._pending += [Metric(key, value, now, step) for key, value in named if (key, step) not in self.logged]
        with self._talk("log metrics"):
            while self._pending:
                # 1000 is the most that one request may hold.
                self.client.log_batch(self.run_id, metrics=self._pending[:1000])
                del self._pending[:1000]

    def mirror(self, epochs: Mapping[int, Mapping[str, float]]) -> None:
        """Log the metrics of those epochs that the run does not have yet."""
        with self._talk("read metrics"):
            if not epochs:
                return
            witness = metric_name(next(iter(next(iter(epochs.values())))))
            known = {metric.step for metric in self.client.get_metric_history(self.run_id, witness)}
            for epoch, metrics in epochs.items():
                if epoch not in known:
                    self.log_metrics(metrics, step=epoch)

    def update_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log final results at step 0, which the UI compares as bars; none that the run has already."""
        with self._talk("read metrics"):
            known = self.client.get_run(self.run_id).data.metrics
            self.log_metrics({k: v for k, v in metrics.items() if known.get(metric_name(k)) != float(v)}, step=0)

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log parameters, flattened with dots; those that the run has are left as they are."""
        with self._talk("log parameters"):
            known = self.client.get_run(self.run_id).data.params
            new = [(metric_name(key), value) for key, value in flatten(params) if metric_name(key) not in known]
            entries = [Param(key, str(value)[:_PARAM_LIMIT]) for key, value in new]
            for start in range(0, len(entries), 100):
                self.client.log_batch(self.run_id, params=entries[start : start + 100])

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; those of the same names are replaced."""
        if not tags:
            return
        with self._talk("set tags"):
            self.client.log_batch(self.run_id, tags=[RunTag(key, str(value)) for key, value in tags.items()])

    def log_inputs(self, sections: Mapping[str, Any], images: Path, assignment: Path) -> None:
        """Log all that a training depends on: the sections of params.yaml that matter, and the data.

        Parameters
        ----------
        sections : of params.yaml, all of them
        images, assignment : as for `log_data`
        """
        self.log_params({name: sections[name] for name in _TRACKED_SECTIONS if name in sections})
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
        data_set = MetaDataset(CodeDatasetSource({"mlflow.source.name": name}), name=name[:500], digest=packed)
        entity = DatasetInput(data_set._to_mlflow_entity(), [InputTag("mlflow.data.context", "training")])
        with self._talk("log the data set"):
            self.client.log_inputs(self.run_id, datasets=[entity])

    def log_result(self, description: str, models: Path, reports: Path, params: Mapping[str, object]) -> None:
        """Add what `evaluate` made: its text (Markdown) as the run's description, its files, its parameters as tags.

        Tags, not parameters: an evaluation can be repeated with others, and MLflow never changes a parameter.
        """
        with self._talk("upload files"):
            experiment = self.client.get_run(self.run_id).info.experiment_id
            # First, because the UI folds a long description. Without an address, so that it holds on any server.
            card = f"[Data card](#/experiments/{experiment}/runs/{self.run_id}/artifacts/reports/data_card.md)"
            description = f"{card}: what it was trained on\n\n{description}"
            self.set_tags({"mlflow.note.content": description} | {f"evaluate.{k}": v for k, v in flatten(params)})
            self.client.log_artifacts(self.run_id, str(reports), "reports")
            for table in sorted(models.glob("*.csv")):
                self.client.log_artifact(self.run_id, str(table), "training")

    def register(self, models: Path, registered_name: str) -> None:
        """Log the folder of a trained net as a model that takes image files, and register it; once a run.

        `pipeline.serving` loads it: no pickle, and the code of this project travels with it.
        """
        with self._talk("register the model"):
            known = self.client.search_model_versions(f"name = '{registered_name}' and run_id = '{self.run_id}'")
            if known:
                return
            with self._active(), warnings.catch_warnings():
                # It misses an example of the input; the signature says all there is to say of it.
                warnings.filterwarnings("ignore", message=".*input example")
                mlflow.pyfunc.log_model(
                    name=MODEL_NAME,
                    loader_module="pipeline.serving",
                    data_path=str(models),
                    code_paths=[str(Path(__file__).parent)],
                    pip_requirements=_serving_requirements(),
                    signature=SIGNATURE,
                    registered_model_name=registered_name,
                    await_registration_for=60,
                )

    @contextmanager
    def _active(self) -> Iterator[None]:
        # `mlflow.pyfunc.log_model` works on the active run alone.
        mlflow.set_tracking_uri(tracking_uri())
        with mlflow.start_run(run_id=self.run_id, log_system_metrics=False):
            yield

    def end(self, status: str) -> None:
        """End the run as ``FINISHED``, ``FAILED`` or ``KILLED``."""
        with self._talk("end the run"):
            self.client.set_terminated(self.run_id, status)


@contextmanager
def training_run(name: str, parent: str | None = None, again: str | None = None) -> Iterator[TrackedRun]:
    """Start a run that ends with the block: finished, failed, or killed by Ctrl-C.

    Parameters
    ----------
    parent : id of the run that this one is a part of
    again : id of a run that was broken off and goes on; a new one is started where the store does not have it

    Raises
    ------
    TrackingError
        If the store cannot be reached.
    """
    run = (_reopened(again) if again else None) or new_run(name, strict=False, parent=parent)
    try:
        yield run
    except BaseException as error:
        run.end("KILLED" if isinstance(error, KeyboardInterrupt | SystemExit) else "FAILED")
        raise
    run.end("FINISHED")


def _reopened(run_id: str) -> TrackedRun | None:
    with _mlflow_errors("look for a run"):
        client = _connect()
    try:
        client.update_run(run_id, status="RUNNING")
        run = client.get_run(run_id)
        _end_broken_off(client, run)
        steps = {(key, each.step) for key in run.data.metrics for each in client.get_metric_history(run_id, key)}
    except MlflowException:
        return None
    return TrackedRun(client, run_id, strict=False, logged=frozenset(steps))


def _end_broken_off(client: mlflow.MlflowClient, parent: Run) -> None:
    """End the runs below `parent` that a killed process left running."""
    below = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' and attributes.status = 'RUNNING'"
    for child in client.search_runs([parent.info.experiment_id], below):
        client.set_terminated(child.info.run_id, "KILLED")


def new_run(name: str, strict: bool = True, parent: str | None = None) -> TrackedRun:
    """Start a run in the project's experiment. Raises TrackingError if the store cannot be reached."""
    with _mlflow_errors("start a run"):
        client = _connect()
        experiment_name = os.environ.get("DVC_EXP_NAME")
        name = f"{experiment_name}: {name}" if experiment_name and not parent else name
        tags = _git_and_dvc_tags() | ({"mlflow.parentRunId": parent} if parent else {})
        run = client.create_run(_experiment_id(client), run_name=name, tags=tags)
    return TrackedRun(client, run.info.run_id, strict)


def run_of_training(run_id: str) -> TrackedRun:
    """Return the run of this id, or a new one if the store does not have it: the training was done elsewhere.

    Raises
    ------
    TrackingError
        If the store cannot be reached.
    """
    with _mlflow_errors("look for a run"):
        client = _connect()
    try:
        run: Run = client.get_run(run_id)
    except MlflowException:
        pass
    else:
        if run.info.lifecycle_stage == "active":
            return TrackedRun(client, run_id, strict=True)
    with _mlflow_errors("look for a copy of a run"):
        copies = client.search_runs([_experiment_id(client)], f"tags.trained_as = '{run_id}'", max_results=1)
    if copies:
        return TrackedRun(client, copies[0].info.run_id, strict=True)
    tracked = new_run(f"copy of {run_id[:8]}")
    tracked.set_tags({"trained_as": run_id})
    tracked.end("FINISHED")
    return tracked


def _connect() -> mlflow.MlflowClient:
    address = tracking_uri()
    # Several processes that create the tables of one fresh database at once fail: one at a time.
    with _store_lock():
        client = mlflow.MlflowClient(address, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI") or address)
        client.search_experiments(max_results=1)
    return client


def _store_lock() -> FileLock:
    return FileLock(project_root() / ".mlflow.lock")


def _experiment_id(client: mlflow.MlflowClient) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    # A server knows where its artifacts go. For a bare database MLflow would take the current folder.
    location = None if tracking_uri().startswith("http") else (project_root() / "mlartifacts").as_uri()
    with _store_lock():
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return str(client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_TAGS))
    return str(experiment.experiment_id)


def _git_and_dvc_tags() -> dict[str, str]:
    tags = {"mlflow.source.name": "src/train.py", "mlflow.source.type": "PROJECT", "mlflow.user": _user()}
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags["mlflow.source.git.commit"] = commit
        tags["git.clean"] = str(not _git("status", "--porcelain")).lower()
    if os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = os.environ["DVC_EXP_NAME"]
        tags["dvc.baseline"] = os.environ.get("DVC_EXP_BASELINE_REV", "")
    return tags


def _user() -> str:
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
    """Return `name` as MLflow takes it: letters of any alphabet, digits and ``_-. :/``, 250 at the most.

    Where that changes it, the head of its hash follows, so that two names never become one.
    """
    clean = "".join(letter if letter.isalnum() or letter in "_-. :/" else "_" for letter in name)[:240]
    if clean == name:
        return name
    return f"{clean}.{hashlib.sha256(name.encode()).hexdigest()[:6]}"
