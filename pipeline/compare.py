"""`weldproof compare`: is one run better than another?"""

import argparse
import json
from contextlib import suppress
from pathlib import Path


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Add the arguments of `compare`."""
    verb.add_argument("a", metavar="RUN_A", type=_run, help="what it is now")
    verb.add_argument("b", metavar="RUN_B", type=_run, help="what may be better")
    verb.add_argument("--json", action="store_true", help="print all numbers as JSON")


def _run(name: str) -> str:
    # A folder is meant from where the command is given, before the project's folder is entered.
    with suppress(OSError):  # a name that no file may have
        return str(Path(name).absolute()) if Path(name).is_dir() else name
    return name


def compare(arguments: argparse.Namespace) -> None:
    """Say whether run B is better than run A on the photographs that both were tested on, and how sure that is.

    A RUN is the first that there is of: a folder with a predictions.csv; a git revision (main, v1, a commit); the name
    of a DVC experiment; an MLflow run, by its id or a name that no other run has. Of a revision and an experiment,
    reports/predictions.csv is taken from DVC's cache or remote, of an MLflow run from its artifacts.

    B is better (worse) if the 95% interval of the difference in macro F1 lies above (below) 0. What the intervals and
    the test are, and what they do not say: docs/comparing.md.
    """
    # Load scikit-learn, which takes seconds: not for the verbs that must answer at once.
    import numpy as np

    from pipeline.evaluation.comparison import compare_answers, read_answers
    from pipeline.evaluation.comparison_text import remarks, sentence, table, to_json
    from pipeline.runs import find_run

    a, b = find_run(arguments.a), find_run(arguments.b)
    said_a, said_b = (read_answers(run.where, run.predictions) for run in (a, b))
    comparison = compare_answers(said_a, said_b, [a.groups, b.groups], np.random.default_rng(0))
    if arguments.json:
        runs = {"run_a": a.where, "run_b": b.where}
        print(json.dumps(runs | to_json(comparison), indent=2, ensure_ascii=False))
        return
    print("\n".join([sentence(comparison), *remarks(comparison), "", f"A  {a.where}", f"B  {b.where}", ""]))
    print(table(comparison))
