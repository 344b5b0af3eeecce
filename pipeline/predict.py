"""`weldproof predict`: the class of photographs, a line each."""

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tqdm import tqdm

from pipeline.data.find import IMAGE_ENDINGS, find_images
from pipeline.errors import DataError
from pipeline.params import load_section
from pipeline.text import shown
from pipeline.tracking.places import is_in_store

if TYPE_CHECKING:
    from pipeline.classifier import Answer

MODELS = Path("models")

Names = tuple[str, ...]
Line = Callable[[str, "Answer"], str]
"""Path as it was given, answer -> a line of output."""


class Given(NamedTuple):
    """A path as a person gave it, and where that is: the project's folder is entered after that."""

    said: str
    path: Path


def given(path: str) -> Given:
    """Return an argument of the command line as what it names."""
    return Given(path, Path(path).absolute())


def model(text: str) -> str:
    """Return --model of the command line as `pipeline.registry.load` takes it from any folder."""
    return text if is_in_store(text) else str(Path(text).absolute())


def default_model(registered_model: str) -> str:
    """Return the net that is meant where none is named: that in models/, or else the registry's champion."""
    here = (MODELS / "model.json").is_file() or (MODELS / "folds").is_dir()
    return str(MODELS) if here else f"models:/{registered_model}@champion"


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Add the arguments of `predict`."""
    verb.add_argument(
        "photographs", nargs="+", type=given, metavar="FILE_OR_FOLDER", help="folders with all below them"
    )
    verb.add_argument(
        "--model", type=model, metavar="MODEL", help="a folder, models:/name@alias, models:/name/3 or runs:/id/model"
    )
    verb.add_argument("--format", choices=sorted(FORMATS), default="table", help="table if not given")


def predict(arguments: argparse.Namespace) -> None:
    """Print the class of each photograph, its probability, and the probabilities of all classes.

    Without --model, the net in models/ answers; where there is none, the champion that MLflow's registry has under
    evaluate.registered_model of params.yaml (docs/promotion.md). Which one it is stands on stderr, as does each file
    that cannot be read, with the reason: the others are answered all the same. Exit code 0 if any was answered, 1 if
    none was.

    An outlier is a photograph so unlike all that the net was trained on that its class means little: its score is above
    1. If more of them are outliers than chance explains, the last line on stderr says so.

    In folders, hidden names and files that no image ending has are left out. csv and jsonl are for programs; jsonl
    holds any file name exactly, in csv bytes that are no UTF-8 are shown as \\xff.
    """
    from pipeline.evaluation.params import EvaluateParams
    from pipeline.registry import load

    params = load_section("evaluate", EvaluateParams)
    photographs = list(_found(arguments.photographs))
    if not photographs:
        raise DataError(f"predict: wanted photographs ({' '.join(IMAGE_ENDINGS)}), found none")
    classifier = load(arguments.model or default_model(params.registered_model), params.device)
    header, line = FORMATS[arguments.format](classifier.class_names)
    answered, outliers, write = 0, 0, _stdout()
    with closing(classifier.stream([each.path for each in photographs], "predict")) as answers:
        write(header)
        for photograph, answer in zip(photographs, answers, strict=True):
            if isinstance(answer, DataError):
                _complain(f"{shown(photograph.said)}: {answer}")
            else:
                write(line(photograph.said, answer))
                answered += 1
                outliers += answer.outlier is True
    if warning := classifier.batch_warning(outliers, answered):
        _complain(f"predict: {warning}")
    if not answered:
        raise DataError(f"predict: wanted a photograph that can be read, none of the {len(photographs)} can be read")


def _found(places: Iterable[Given]) -> Iterator[Given]:
    """Yield files as they are, and the photographs below folders, in order."""
    for place in places:
        if not place.path.is_dir():
            yield place
            continue
        paths, ignored = find_images(place.path)
        if ignored:
            path, reason = ignored[0]
            _complain(f"{shown(place.said)}: {len(ignored)} left out, such as {shown(path)} ({reason})")
        for path in paths:
            yield Given(os.path.join(place.said, path), place.path / path)  # noqa: PTH118 -- ./ stays as it was given


def _complain(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def _stdout() -> Callable[[str], None]:
    """Return what writes to stdout, as UTF-8 whatever the terminal's language, and past the progress bar."""
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")

    def write(text: str) -> None:
        with tqdm.external_write_mode(sys.stdout):
            sys.stdout.write(text)

    return write


def _table(names: Names) -> tuple[str, Line]:
    widths = [max(len(shown(name)), 6) for name in names]
    first = max(*map(len, map(shown, names)), 5)

    def line(path: str, answer: "Answer") -> str:
        each = [f"{answer.probabilities[name]:>{width}.4f}" for name, width in zip(names, widths, strict=True)]
        head = f"{shown(answer.class_name):<{first}}  {answer.probability:11.4f}"
        unlike = (
            "-" if answer.outlier_score is None else f"{answer.outlier_score:.2f}{' !' if answer.outlier else '  '}"
        )
        return "  ".join([head, *each, f"{unlike:>9}", shown(path)]) + "\n"

    each = [f"{shown(name):>{width}}" for name, width in zip(names, widths, strict=True)]
    return "  ".join([f"{'class':<{first}}  probability", *each, "  outlier", "path"]) + "\n", line


def _csv(names: Names) -> tuple[str, Line]:
    def line(path: str, answer: "Answer") -> str:
        said = os.fsencode(path).decode("utf-8", "backslashreplace")
        each = [round(answer.probabilities[name], 6) for name in names]
        unlike = ["", ""] if answer.outlier_score is None else [_true(answer.outlier), round(answer.outlier_score, 6)]
        return _csv_line([said, answer.class_name, round(answer.probability, 6), *each, *unlike])

    each = [f"probability of {name}" for name in names]
    return _csv_line(["path", "class", "probability", *each, "outlier", "outlier score"]), line


def _true(value: bool | None) -> str:
    return "true" if value else "false"


def _csv_line(values: list[object]) -> str:
    buffer = io.StringIO()
    # Texts in quotes: else a lone carriage return would stand there bare.
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerow(values)
    return buffer.getvalue()


def _jsonl(_names: Names) -> tuple[str, Line]:
    def line(path: str, answer: "Answer") -> str:
        each = {name: round(probability, 6) for name, probability in answer.probabilities.items()}
        said = {"path": path, "class": answer.class_name, "probability": round(answer.probability, 6)}
        score = None if answer.outlier_score is None else round(answer.outlier_score, 6)
        return json.dumps(said | {"probabilities": each, "outlier": answer.outlier, "outlier_score": score}) + "\n"

    return "", line


FORMATS: dict[str, Callable[[Names], tuple[str, Line]]] = {"table": _table, "csv": _csv, "jsonl": _jsonl}
"""Class names -> the header, and what makes the lines."""
