"""What the MLflow UI shows of an experiment: a saved view, which is a tag of it, in the form that the UI itself writes.

The columns of the table are the scores of the epoch that is kept and of the test part, in place of none; of the charts,
curves and parallel coordinates come first, and the UI adds one for each other metric below them.
"""

import base64
import json
import zlib

_VIEW = "runs"
_SECTION = "compared"

_COLUMNS = (
    "attributes.`Dataset`",
    "attributes.`Models`",
    "metrics.`test/macro_f1`",
    "metrics.`test/macro_f1/low`",
    "metrics.`test/macro_f1/high`",
    "metrics.`best/val/macro_f1`",
    "metrics.`best/val/loss`",
    "metrics.`best/epoch`",
    "params.`train.model`",
    "params.`train.lr`",
    "params.`train.epochs`",
)
_CURVES = ("lr", "val/macro_f1", "val/loss", "train/loss")
_AXES = ("train.model", "train.resolution", "train.lr", "train.epochs")
_SCORE = "test/macro_f1"


def view_of(experiment_id: str, charts: bool = False) -> str:
    """Return where the UI shows the view, below its address: as a table, or as charts beside the runs' names."""
    query = f"workflowType=machine_learning&viewStateShareKey={_VIEW}"
    return f"#/experiments/{experiment_id}/runs?{query}{'&compareRunsMode=CHART' if charts else ''}"


def experiment_tags() -> dict[str, str]:
    """Return the tags of a new experiment.

    ``mlflow.experimentKind`` is for those versions of the UI that ask it whether to open with runs or with what they
    have for chat programs; 3.17 asks the address alone (``workflowType``).
    """
    state = {
        "selectedColumns": list(_COLUMNS),
        "compareRunSections": [{"uuid": _SECTION, "name": "Runs over each other", "display": True}],
        "compareRunCharts": _charts(),
        "isAccordionReordered": True,  # the UI would sort the sections by their names
        "hideEmptyCharts": True,
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    view = {"name": "Compare runs", "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"}
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{_VIEW}": json.dumps(view),
    }


def _charts() -> list[dict[str, object]]:
    curves = [_chart("LINE", metric) | {"metricKey": metric} | _LINE for metric in _CURVES]
    axes = {"selectedParams": list(_AXES), "selectedMetrics": [_SCORE], "showAllRuns": False}
    return [*curves, _chart("PARALLEL", "axes") | axes, _chart("BAR", _SCORE) | {"metricKey": _SCORE}]


def _chart(kind: str, name: str) -> dict[str, object]:
    return {"type": kind, "uuid": name, "metricSectionId": _SECTION, "runsCountToCompare": 10, "deleted": False}


_LINE: dict[str, object] = {
    "lineSmoothness": 0,
    "xAxisScaleType": "linear",
    "scaleType": "linear",
    "range": {},
    "xAxisKey": "step",
    "selectedXAxisMetricKey": "",
    "yAxisKey": "metric",
    "yAxisExpressions": [],
    "ignoreOutliers": False,
    "useGlobalXaxisKey": True,
    "useGlobalLineSmoothing": True,
}


def cut(text: str, most: int, rest: str) -> str:
    """Return a text of at most so many characters; a longer one is cut at a line's end, and says where the rest is."""
    if len(text) <= most:
        return text
    more = f"\n\n(cut: {rest})"
    return text[: most - len(more)].rpartition("\n")[0] + more
