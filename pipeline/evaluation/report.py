"""All that `evaluate` leaves in the folder of reports."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.answers import ANSWERS_FILE, write_answers
from pipeline.evaluation.decision_plots import operating_points_png, reliability_png, risk_coverage_png
from pipeline.evaluation.decisions import Decisions, Rules, decisions_text, write_points
from pipeline.evaluation.gallery import hits_png, mistakes_png
from pipeline.evaluation.history import read_history, read_lr_history
from pipeline.evaluation.plots import class_scores_png, confusion_png, learning_curves_png, lr_history_png
from pipeline.evaluation.predictions import Answers, Predictions, pooled_parts
from pipeline.evaluation.result import Result
from pipeline.evaluation.tables import score_table, write_per_class, write_predictions
from pipeline.files import write_bytes, write_text

SCORES_FILE = "scores.txt"


def remarks(folds: int, retrained: bool) -> list[str]:
    """Return, in sentences, which net the scores are of, where that is not plain.

    Parameters
    ----------
    folds : whose test parts are pooled; 0 if it is one test part
    retrained : whether the final net is one more, which was trained on everything
    """
    said = [f"Each photograph judged by the net of {folds} that had not seen it (out of fold)."] if folds else []
    if retrained:
        said.append("The model is one more net, trained alike on all photographs; nothing is left that could judge it.")
    return said


def scores_text(result: Result, decisions: Decisions, said: Sequence[str], markdown: bool = False) -> str:
    """Return what is `said` of the scores, their table, and what the probabilities are good for."""
    table, decided = score_table(result, markdown=markdown), decisions_text(decisions, markdown=markdown)
    return "\n\n".join([*said, result.basis(), table, decided])


def write_tables(
    folder: Path,
    results: Mapping[str, Result],
    decisions: Decisions,
    nets: Sequence[Answers],
    folds: int,
    said: Sequence[str],
) -> None:
    """Write the scores of every part (metrics.json), the tables of the test part, and all that the nets said.

    Parameters
    ----------
    folds : whose test parts are pooled; 0 if it is one test part
    said : see `remarks`
    """
    metrics: dict[str, Any] = {part: result.to_json() for part, result in results.items()} | {"folds": folds}
    metrics["test"] |= decisions.to_json()
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    write_answers(folder / ANSWERS_FILE, nets)
    write_predictions(folder / "predictions.csv", pooled_parts(nets)["test"])
    write_per_class(folder / "per_class.csv", results["test"])
    write_points(folder / "operating_points.csv", decisions.points)
    write_text(folder / SCORES_FILE, scores_text(results["test"], decisions, said) + "\n")


def write_decision_pictures(folder: Path, nets: Sequence[Answers], rules: Rules, decisions: Decisions) -> None:
    """Write the pictures of what the probabilities are good for on test as PNGs."""
    pictures = {
        "reliability": reliability_png(decisions.calibration, "test"),
        "operating_points": operating_points_png(nets, rules.sound, decisions.points),
        "risk_coverage": risk_coverage_png(pooled_parts(nets)["test"], decisions.cuts),
    }
    for name, png in pictures.items():
        write_bytes(folder / f"{name}.png", png)


def write_pictures(
    folder: Path, models: Path, images: npt.NDArray[np.uint8], test: Predictions, result: Result, most: int
) -> None:
    """Write the pictures of the test part and of the training's course as PNGs.

    Parameters
    ----------
    models : the folder with the training's history.csv and lr_history.csv.
    images : uint8 (N, H, W), all of the packed set.
    most : photographs on one contact sheet at the most.
    """
    history = read_history(models / "history.csv")
    pictures = {
        "confusion": confusion_png(result, "test"),
        "class_scores": class_scores_png(result, "test"),
        "mistakes": mistakes_png(images, test, "test", most),
        "hits": hits_png(images, test, "test", most),
        "learning_curves": learning_curves_png(history),
        "lr_history": lr_history_png(read_lr_history(models / "lr_history.csv"), history),
    }
    for name, png in pictures.items():
        write_bytes(folder / f"{name}.png", png)


def result_metrics(part: str, result: Result, decisions: Decisions) -> dict[str, float]:
    """Return the scores by the names under which a tracker compares them.

    ``test/macro_f1`` and its interval ``test/macro_f1/low`` and ``/high``; ``test/f1/<class>`` and
    ``test/average_precision/<class>`` likewise; and what `Decisions.metrics` names.
    """
    metrics = decisions.metrics(part)
    ends = ("", "/low", "/high")
    for name, values in result.scores_overall().items():
        metrics |= {f"{part}/{name}{end}": value for end, value in zip(ends, values, strict=True)}
    for name, by_class in result.scores_by_class().items():
        for end, scores in zip(ends, by_class, strict=True):
            rows = zip(result.class_names, scores.tolist(), strict=True)
            metrics |= {f"{part}/{name}/{class_name}{end}": value for class_name, value in rows}
    return metrics
