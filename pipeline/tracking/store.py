"""MLflow: the only module that imports it.

It runs in the process that sends, never in a training, and where a run is looked up. All that it does can be done
again after it was broken off at any point, or after an answer was lost, and nothing is there twice then: a run is
looked up by the tag that holds this project's own id of it, and where it was not made here and now, the store is asked
for what it has of it.
"""

import logging
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

# No second try by MLflow itself: it would send again without asking whether the first one arrived. MLflow reads these
# when a request is made; whoever sets them keeps them.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
import mlflow.artifacts
import mlflow.pyfunc
from filelock import FileLock
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine_with_retry
from mlflow.types import ColSpec, DataType, Schema
from sqlalchemy.engine import make_url

from pipeline.errors import TrackingError
from pipeline.files import project_root, replaced
from pipeline.tracking.journal import Record
from pipeline.tracking.places import shown_address
from pipeline.tracking.views import cut, experiment_tags

MODEL_NAME = "model"
"""Where the model stands in a run."""
LOADER = "pipeline.serving"
"""The module that loads the model where MLflow serves it."""
IDENTITY = "trained_as"
"""The tag with this project's own id of a run, which is also what `models/run.json` says."""

SIGNATURE = ModelSignature(
    # One column without a name: MLflow then takes a list of files' bytes as well as a table with one column.
    inputs=Schema([ColSpec(DataType.binary)]),
    outputs=Schema([ColSpec(DataType.string, "class"), ColSpec(DataType.double, "probability")]),
)

_LONGEST_WAIT = 120.0
"""Seconds at the most for another process that makes the tables of the same database file."""
_NOTE_LIMIT = 8000
"""Characters of a run's description that MLflow keeps."""
_METRIC_LIMIT = 1000
"""Metrics of one request that MLflow takes."""
_PARAM_LIMIT = 6000
"""Characters of a parameter's value that MLflow keeps."""

# What is wrong is told as one line, and not as MLflow tells it.
logging.getLogger("mlflow").setLevel(logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.ERROR)


@dataclass
class _StoredRun:
    """A run in the store, and which steps of its metrics are known to be there."""

    run_id: str
    experiment: str
    made_now: bool
    steps: dict[str, set[int]] = field(default_factory=dict)


class Store:
    """An MLflow store, and what is told to it. Whatever goes wrong raises TrackingError, of one line.

    Parameters
    ----------
    address : as MLflow takes it
    judge : decides what a version that was registered is to be; without it none is judged
    """

    def __init__(self, address: str, judge: "Judge | None" = None) -> None:
        self.address = address
        self._judge = judge
        self._runs: dict[str, _StoredRun] = {}
        self._send: dict[str, Callable[[_StoredRun, Record, Path], None]] = {
            "run": lambda *_: None,
            "params": self._params,
            "tags": self._tags,
            "data": self._data,
            "results": self._results,
            "note": self._note,
            "files": self._files,
            "model": self._model,
            "verdict": self._verdict,
            "status": self._status,
        }
        with self.errors("be reached"), _one_at_a_time(address):
            _make_database(address)
            self.client = mlflow.MlflowClient(address, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI") or address)
            self.client.search_experiments(max_results=1)

    @contextmanager
    def errors(self, action: str) -> Iterator[None]:
        """Turn whatever goes wrong in the block into a TrackingError that says what could not be done."""
        try:
            yield
        except TrackingError:
            raise
        except Exception as error:
            # Whatever it is: a fault in MLflow, or in what a broken server answers, is the store's as well.
            raise TrackingError(f"MLflow at {shown_address(self.address)}: cannot {action}: {_reason(error)}") from None

    def ping(self) -> None:
        """Ask for an answer."""
        with self.errors("be reached"):
            self.client.search_experiments(max_results=1)

    def find_runs(self, name: str) -> list[str]:
        """Return MLflow's ids of the runs that have this id, or else this project's own, or else this name."""
        quote = '"' if "'" in name else "'"
        if quote in name:
            return []  # MLflow has no way to ask for both kinds of quotes
        with self.errors("look for a run"):
            experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
            for attribute in ("attributes.run_id", f"tags.{IDENTITY}", "attributes.run_name"):
                found = self.client.search_runs(experiments, f"{attribute} = {quote}{name}{quote}")
                if found:
                    return [str(run.info.run_id) for run in found]
        return []

    def get_run(self, run_id: str) -> Run:
        """Return a run by MLflow's id, also one that was deleted and is still kept."""
        with self.errors("look at a run"):
            return self.client.get_run(run_id)

    def download(self, run_id: str, path: str, folder: Path) -> Path | None:
        """Download a file of a run into `folder`, and return where it is; None if the run has no such file."""
        with self.errors(f"download {path}"):
            listed = self.client.list_artifacts(run_id, path.rpartition("/")[0] or None)
            if path not in {file.path for file in listed}:
                return None
            return Path(self.client.download_artifacts(run_id, path, str(folder)))

    def send(self, head: Record, records: Sequence[Record], files: Path) -> None:
        """Tell records of one kind.

        Parameters
        ----------
        head : says what run they are of
        files : folder of the files that they name
        """
        kind = records[0]["kind"]
        with self.errors(f"log {kind}"):
            try:
                run = self._run(head)
                if kind == "metrics":
                    self._metrics(run, records)
                    return
                for record in records:
                    self._send[kind](run, record, files)
            except BaseException:
                # What has arrived of it is not known: the store is asked next time.
                self.forget(head["id"])
                raise

    def forget(self, identity: str) -> None:
        """Ask again what there is of this run, before more of it is sent."""
        self._runs.pop(identity, None)

    def _run(self, head: Record) -> _StoredRun:
        if head["id"] not in self._runs:
            experiment = self._experiment(head["experiment"])
            run_id = self._find(experiment, head["id"])
            made_now = run_id is None
            if made_now:
                self._make(experiment, head)
                # Asked again, because one whose answer was lost can have arrived meanwhile.
                run_id = self._find(experiment, head["id"])
            elif head["goes_on"]:
                self.client.update_run(run_id, status="RUNNING")
            if run_id is None:
                raise MlflowException("the run that was made is not there")
            self._runs[head["id"]] = _StoredRun(run_id, experiment, made_now)
        return self._runs[head["id"]]

    def _find(self, experiment: str, identity: str, known: str = "") -> str | None:
        """Return the run of that identity, if possible the known one; remove those that lost answers left empty."""
        found = self.client.search_runs([experiment], f"tags.{IDENTITY} = '{identity}'")
        first, *others = sorted(found, key=lambda run: (run.info.run_id != known, _is_empty(run), run.info.run_id)) or [
            None
        ]
        for run in filter(_is_empty, others):
            self.client.delete_run(run.info.run_id)
        return first.info.run_id if first else None

    def _make(self, experiment: str, head: Record) -> None:
        tags = head["tags"] | {IDENTITY: head["id"]}
        if head["parent"]:
            parent = self._find(experiment, head["parent"])
            if parent is None:
                raise MlflowException("the run that it is a part of is not there yet")
            tags["mlflow.parentRunId"] = parent
        run = self.client.create_run(experiment, start_time=head["time"], tags=tags, run_name=head["name"])
        if not head["goes_on"]:
            self.client.set_terminated(run.info.run_id, "FINISHED")

    def _experiment(self, name: str) -> str:
        # A server knows where its artifacts go. For a bare database MLflow would take the current folder.
        location = None if self.address.startswith("http") else (project_root() / "mlartifacts").as_uri()
        with _one_at_a_time(self.address):
            experiment = self.client.get_experiment_by_name(name)
            if experiment is None:
                return str(self.client.create_experiment(name, artifact_location=location, tags=experiment_tags()))
        return str(experiment.experiment_id)

    def _metrics(self, run: _StoredRun, records: Sequence[Record]) -> None:
        new = []
        for record in records:
            for key, value in record["values"].items():
                steps = self._steps(run, key)
                if record["step"] not in steps:
                    steps.add(record["step"])
                    new.append(Metric(key, value, record["time"], record["step"]))
        self._log_metrics(run, new)

    def _steps(self, run: _StoredRun, key: str) -> set[int]:
        if key not in run.steps:
            history = [] if run.made_now else self.client.get_metric_history(run.run_id, key)
            run.steps[key] = {metric.step for metric in history}
        return run.steps[key]

    def _log_metrics(self, run: _StoredRun, metrics: Sequence[Metric]) -> None:
        for start in range(0, len(metrics), _METRIC_LIMIT):
            self.client.log_batch(run.run_id, metrics=metrics[start : start + _METRIC_LIMIT])

    def _results(self, run: _StoredRun, record: Record, _files: Path) -> None:
        known = self.client.get_run(run.run_id).data.metrics
        new = [(key, value) for key, value in record["values"].items() if not _same(known.get(key), value)]
        self._log_metrics(run, [Metric(key, value, record["time"], 0) for key, value in new])

    def _params(self, run: _StoredRun, record: Record, _files: Path) -> None:
        known = self.client.get_run(run.run_id).data.params
        new = [Param(key, text[:_PARAM_LIMIT]) for key, text in record["values"].items() if key not in known]
        for start in range(0, len(new), 100):
            self.client.log_batch(run.run_id, params=new[start : start + 100])

    def _tags(self, run: _StoredRun, record: Record, _files: Path) -> None:
        self.client.log_batch(run.run_id, tags=[RunTag(key, text) for key, text in record["values"].items()])

    def _data(self, run: _StoredRun, record: Record, _files: Path) -> None:
        source = CodeDatasetSource({"mlflow.source.name": record["name"]})
        data_set = MetaDataset(source, name=record["name"][:500], digest=record["digest"])
        entity = DatasetInput(data_set._to_mlflow_entity(), [InputTag("mlflow.data.context", "training")])
        self.client.log_inputs(run.run_id, datasets=[entity])

    def _note(self, run: _StoredRun, record: Record, _files: Path) -> None:
        # Without an address, so that it holds on any server. First, because the UI folds a long description.
        reports = f"#/experiments/{run.experiment}/runs/{run.run_id}/artifacts/reports"
        card = f"[Data card]({reports}/data_card.md): what it was trained on"
        page = f"[Report]({reports}/report.html): all of this on a page, with the photographs"
        text = cut(f"{card}\n\n{page}\n\n{record['text']}", _NOTE_LIMIT, "the rest stands in reports/scores.txt")
        self.client.set_tag(run.run_id, "mlflow.note.content", text)

    def _files(self, run: _StoredRun, record: Record, files: Path) -> None:
        self.client.log_artifacts(run.run_id, str(files / record["kept"]))

    def _model(self, run: _StoredRun, record: Record, files: Path) -> None:
        """Log the folder of a trained net as a model that takes image files, and register it; once a run.

        `pipeline.serving` loads it: no pickle, and the code of this project travels with it.
        """
        name = record["name"]
        if self.client.search_model_versions(f"name = '{name}' and run_id = '{run.run_id}'"):
            return
        kept = files / record["kept"]
        with self._active(run), warnings.catch_warnings():
            # It misses an example of the input; the signature says all there is to say of it.
            warnings.filterwarnings("ignore", message=".*input example")
            mlflow.pyfunc.log_model(
                name=MODEL_NAME,
                loader_module=LOADER,
                data_path=str(kept / "models"),
                code_paths=[str(kept / "pipeline")],
                pip_requirements=record["requirements"],
                signature=SIGNATURE,
                registered_model_name=name,
                await_registration_for=60,
            )

    def _verdict(self, run: _StoredRun, record: Record, files: Path) -> None:
        if self._judge:
            self._judge(self, run.run_id, record, files / record["kept"])

    @contextmanager
    def _active(self, run: _StoredRun) -> Iterator[None]:
        # `mlflow.pyfunc.log_model` works on the active run alone.
        mlflow.set_tracking_uri(self.address)
        with mlflow.start_run(run_id=run.run_id, log_system_metrics=False):
            yield

    def _status(self, run: _StoredRun, record: Record, _files: Path) -> None:
        self.client.set_terminated(run.run_id, record["status"], record["time"])
        self._find(run.experiment, record["of"], known=run.run_id)


Judge = Callable[[Store, str, Record, Path], None]
"""Store, MLflow's id of the run whose version it is about, the record that asks for it, its files.

Called again if it was broken off, or if that is not certain. It raises TrackingError alone: then the record waits.
"""


def open_store(address: str) -> Store | None:
    """Return the store; None where it is a database file that is not there, which only what is sent makes."""
    file = database_of(address)
    return None if file and not file.exists() else Store(address)


def fetch_model(address: str, uri: str, target: Path) -> tuple[str, Path]:
    """Copy a model of this project out of an MLflow store into the folder `target`.

    Nothing that comes with it is run, and what MLflow has set for the whole process is left alone.

    Parameters
    ----------
    address : of the store, as MLflow takes it
    uri : ``models:/name@alias``, ``models:/name/version``, ``models:/name/latest`` or ``runs:/id/model``

    Returns
    -------
    found : `uri`, with the version that an alias or ``latest`` means now
    models : the folder that `train` wrote

    Raises
    ------
    TrackingError
        If the store is not there, does not have it, or has a model of another kind there.
    """
    file = database_of(address)
    if file and not file.exists():
        raise TrackingError(f"{uri}: wanted an MLflow store that has it, found no {file}")
    try:
        client = mlflow.MlflowClient(address, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI") or address)
        found = _with_version(client, uri)
        source = _source(client, found)
        folder = Path(mlflow.artifacts.download_artifacts(source, dst_path=str(target), tracking_uri=address))
        flavor = Model.load(str(folder)).flavors.get("python_function", {})
    except Exception as error:
        # Whatever it is: see `Store.errors`.
        raise TrackingError(f"MLflow at {shown_address(address)}: cannot fetch {uri}: {_reason(error)}") from None
    if flavor.get("loader_module") != LOADER:
        raise TrackingError(f"{uri}: wanted a model that `evaluate` registered, found one of another kind")
    return found, folder / flavor["data"]


def _with_version(client: mlflow.MlflowClient, uri: str) -> str:
    if alias := re.fullmatch(r"models:/([^/@]+)@([^/@]+)", uri):
        return f"models:/{alias[1]}/{client.get_model_version_by_alias(alias[1], alias[2]).version}"
    if latest := re.fullmatch(r"models:/([^/@]+)/latest", uri):
        versions = [int(each.version) for each in client.search_model_versions(f"name = '{latest[1]}'")]
        if not versions:
            raise MlflowException(f"no model is registered as {latest[1]}")
        return f"models:/{latest[1]}/{max(versions)}"
    return uri


def _source(client: mlflow.MlflowClient, uri: str) -> str:
    """Return the address at which the store keeps the files of a model.

    Asked of `client` alone: MLflow itself would look where its process-wide `set_tracking_uri` says.
    """
    if of_run := re.fullmatch(r"runs:/(\w+)/([^/]+)", uri):
        return _logged_by(client, *of_run.groups())
    if version := re.fullmatch(r"models:/([^/@]+)/(\d+)", uri):
        uri = str(client.get_model_version_download_uri(version[1], version[2]))
    if logged := re.fullmatch(r"models:/(m-\w+)", uri):
        return str(client.get_logged_model(logged[1]).artifact_location)
    return uri


def _logged_by(client: mlflow.MlflowClient, run_id: str, name: str) -> str:
    models = client.search_logged_models(
        [client.get_run(run_id).info.experiment_id], f"name = '{name}' AND source_run_id = '{run_id}'"
    )
    if not models:
        raise MlflowException(f"the run has no model of the name {name}")
    return str(models[0].artifact_location)


def database_of(address: str) -> Path | None:
    """Return the file of an SQLite store, or None for any other."""
    url = make_url(address) if address.startswith("sqlite:") else None
    return Path(url.database) if url and url.database else None


@contextmanager
def _one_at_a_time(address: str) -> Iterator[None]:
    """Let one process at a time into the block where the store is a database file. A server does that by itself."""
    file = database_of(address)
    with FileLock(f"{file}.lock", timeout=_LONGEST_WAIT) if file else nullcontext():
        yield


def _make_database(address: str) -> None:
    """Make a database file that is not there, whole or not at all.

    Several processes that create the tables of one fresh database at once fail, and so does, ever after, one that
    finds what a kill left in the middle of that.
    """
    file = database_of(address)
    if file is None:
        return
    if file.exists():
        # MLflow tries for more than a minute to open what cannot be opened.
        file.open("rb").close()
        return
    with replaced(file) as partial:
        partial.unlink(missing_ok=True)
        engine = create_sqlalchemy_engine_with_retry(make_url(address).set(database=str(partial)).render_as_string())
        _initialize_tables(engine)
        engine.dispose()


def _reason(error: BaseException) -> str:
    """Return one line: what the system said, where that is at the bottom of it, or else the error itself."""
    root = error
    while root.__context__:
        root = root.__context__
    told = root if isinstance(root, OSError) else error
    return shown_address((str(told).strip() or type(told).__name__).splitlines()[0])[:300]


def _is_empty(run: Run) -> bool:
    return not run.data.metrics and not run.data.params


def _same(known: float | None, value: float) -> bool:
    return known is not None and (known == value or (math.isnan(known) and math.isnan(value)))
