"""`python -m pipeline VERB`, installed as `weldproof`: what is not a stage of the pipeline."""

import argparse
import inspect
import logging
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ruamel.yaml import YAML
from tqdm import tqdm

from pipeline import champion, compare, export, lr, predict
from pipeline.data.adopt import copy_photographs, home_of, plain_name
from pipeline.data.assignment import read_rows
from pipeline.data.card import changes_section, data_card, rows_at
from pipeline.data.find import DataParams, Listing, find_photographs
from pipeline.data.manifest import read_manifest
from pipeline.data.packed import open_packed
from pipeline.data.public_sets import ELPV_LICENCE, import_elpv
from pipeline.errors import DataError, PipelineError
from pipeline.evaluation.params import EvaluateParams
from pipeline.files import write_text
from pipeline.params import load_section, replace_value
from pipeline.stage import errors_as_lines
from pipeline.text import shown

RAW = Path("data/raw")
SAMPLE = Path("data/sample")
SAMPLE_SOUND = "sound_bead"
CARD = Path("data/card.md")


def main() -> None:
    """Run the verb that the command line names."""
    arguments = _parser().parse_args()
    with errors_as_lines(), _reader_may_leave():
        _enter_project()
        arguments.verb(arguments)


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """End well where whoever reads the output, such as `head`, has enough."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would try once more at the end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="weldproof", description="What is not a stage of the pipeline; `dvc repro` runs the stages."
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    verb = _add_verb(verbs, "use", use)
    verb.add_argument("folder", type=_absolute, help="photographs, one folder a class")
    verb.add_argument("--name", help="name of the copy below data/raw; the folder's own if not given")
    verb = _add_verb(verbs, "import", import_set)
    verb.add_argument("set", choices=["elpv"], help="elpv: 2,624 solar cells from the package elpv-dataset")
    compare.add_arguments(_add_verb(verbs, "compare", compare.compare))
    champion.add_arguments(_add_verb(verbs, "champion", champion.champion))
    predict.add_arguments(_add_verb(verbs, "predict", predict.predict))
    export.add_arguments(_add_verb(verbs, "export", export.export))
    lr.add_arguments(_add_verb(verbs, "lr", lr.lr))
    _add_verb(verbs, "mend", mend)
    _add_verb(verbs, "summary", summary)
    verb = _add_verb(verbs, "sync", sync)
    verb.add_argument("--to", metavar="ADDRESS", help="send all of it to this store, not to those it was made for")
    verb = _add_verb(verbs, "data", data)
    verb.add_argument("--against", metavar="REV", help="also say what changed since this git revision")
    return parser


def _add_verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    function: Callable[[argparse.Namespace], None],
) -> argparse.ArgumentParser:
    manual = inspect.getdoc(function) or ""
    verb = verbs.add_parser(
        name,
        help=manual.splitlines()[0],
        description=manual,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.set_defaults(verb=function)
    return verb


def _absolute(path: str) -> Path:
    # Before the project's folder is entered.
    return Path(path).absolute()


def _enter_project() -> None:
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            os.chdir(folder)
            return
    raise PipelineError(
        f"{shown(Path.cwd())}: wanted a folder of the project, with dvc.yaml and params.yaml, found none"
    )


def use(arguments: argparse.Namespace) -> None:
    """Point the pipeline at your own photographs, one folder a class.

    A folder outside the project is copied to data/raw/NAME (only its photographs; the originals are never touched);
    one inside the project is used where it is. It is put under DVC with `dvc add`, and in params.yaml data.folder is
    set to it, train.final to retrain, and evaluate.sound_class to null unless it is one of the classes. Run `dvc repro`
    after that. To add photographs later, drop them into the class folders and run `dvc repro` again: DVC sees them by
    itself. `weldproof use data/sample` goes back to the embedded sample set.
    """
    folder: Path = arguments.folder
    if folder.resolve() == SAMPLE.resolve():
        replace_value("data", "folder", SAMPLE.as_posix())
        replace_value("train", "final", "ensemble")
        replace_value("evaluate", "sound_class", SAMPLE_SOUND)
        print(f"The pipeline now uses the embedded sample set, {SAMPLE}. Run: dvc repro")
        return
    load_section("data", DataParams)
    listing = find_photographs(folder)
    home = RAW / plain_name(arguments.name) if arguments.name else home_of(folder, RAW, _outputs())
    if home.resolve() == folder.resolve():
        _adopt(home, listing, f"used where it is, {home}")
    else:
        copy_photographs(folder, listing, home)
        with _removed_on_failure(home):
            _adopt(home, listing, f"copied to {home}")


def import_set(arguments: argparse.Namespace) -> None:
    """Lay out a public set of real photographs as a folder a class, and point the pipeline at it.

    Nothing is downloaded: the photographs come with a Python package that you install first
    (`pip install elpv-dataset`). Mind the set's licence, which is printed.
    """
    home = RAW / arguments.set
    if home.exists():
        raise DataError(f"{home}: wanted a free place for the set, found a folder; to use it: weldproof use {home}")
    load_section("data", DataParams)
    print(ELPV_LICENCE)
    import_elpv(home)
    with _removed_on_failure(home):
        _adopt(home, find_photographs(home), f"written to {home}")


def _outputs() -> list[Path]:
    """Return what the stages write, as dvc.yaml says."""
    stages = YAML(typ="safe", pure=True).load(Path("dvc.yaml"))["stages"].values()
    entries = [entry for stage in stages for kind in ("outs", "metrics") for entry in stage.get(kind, [])]
    return [Path(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries]


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}.dvc").unlink(missing_ok=True)
        raise


def _adopt(home: Path, listing: Listing, where: str) -> None:
    sound_class = load_section("evaluate", EvaluateParams).sound_class  # tells mistakes before anything is changed
    _dvc("add", "--", str(home))
    replace_value("data", "folder", home.as_posix())
    # Of the sample set no model is wanted: learning from all of it would only take time.
    replace_value("train", "final", "retrain")
    if sound_class not in listing.counts():
        replace_value("evaluate", "sound_class", None)
    pointer = f"{home}.dvc"
    print(f"\n{len(listing.photographs)} photographs of {len(listing.counts())} classes, {where}:")
    for name, count in listing.counts().items():
        print(f"  {count:>6}  {shown(name)}")
    if listing.ignored:
        path, reason = listing.ignored[0]
        print(f"{len(listing.ignored)} other files are not photographs, such as {shown(path)} ({reason})")
    print(f"DVC keeps them from now on (dvc add: {pointer}), and data.folder in params.yaml points to them.")
    print("train.final in params.yaml is retrain: the model that is served learns from all of them, beside one that is")
    print("judged and learns from the train part alone. `ensemble` leaves that out, in less than half the time.")
    print("If one of the classes means “no defect”, name it in evaluate.sound_class: its misses are judged then.")
    print("\nNext, let git know (experiments run in copies of what git knows), then run the pipeline:")
    print(f"  git add {shlex.join([pointer, f'{home.parent}/.gitignore', 'params.yaml'])}")
    print(f'  git commit -m "{home.name}: {len(listing.photographs)} photographs"')
    print("  dvc repro")


def _dvc(*arguments: str) -> None:
    command = [sys.executable, "-m", "dvc", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = " ".join(done.stderr.split()) or "no reason given"
        raise PipelineError(f"dvc {shlex.join(arguments)}: wanted it to succeed, found: {reason}")


def data(arguments: argparse.Namespace) -> None:
    """Print the data card, and write it to data/card.md: what the set is made of, and how it is divided.

    With --against REV, a git revision (HEAD, v1, main~3), also what was added, removed, re-labelled and renamed since.
    """
    packed, table = open_packed(Path("data/packed")), Path("data/split/assignment.csv")
    rows = read_rows(table)
    if [row.path for row in rows] != [row.path for row in packed.index]:
        raise DataError(f"{table}: wanted the photographs of data/packed, found others; run `dvc repro split`")
    card = data_card(packed, rows, read_manifest(Path("data/resized")))
    if arguments.against:
        card += changes_section(rows_at(arguments.against, table), rows, arguments.against)
    write_text(CARD, card)
    print(card)


def mend(_arguments: argparse.Namespace) -> None:
    """Put right what a killed dvc left broken, so that `dvc repro` can go on.

    dvc writes dvc.lock, the .dvc file of your photographs and its own table of locks in place; a kill meanwhile cuts
    them short. A cut dvc.lock or .dvc file is taken back as it was committed, or made anew; a broken table is removed.
    What is intact is not touched, and nothing is done while a dvc is at work in the folder.
    """
    from pipeline import mend as project

    for line in project.mend() or ["nothing is broken"]:
        print(line)


def sync(arguments: argparse.Namespace) -> None:
    """Send what waits for MLflow: records of trainings and evaluations that a store did not take in time.

    They wait in .weldproof/tracking, and go with the next training or evaluation by themselves.
    """
    from pipeline.promotion import judge
    from pipeline.tracking.sender import sync as send

    send(arguments.to, tqdm.write, judge)


def summary(_arguments: argparse.Namespace) -> None:
    """Print the scores of the last evaluation, where its plots are, and how to open the MLflow UI."""
    scores = Path("reports/scores.txt")
    if not scores.is_file():
        raise DataError(f"{scores}: wanted the scores that the pipeline writes, found nothing; run `dvc repro`")
    print(scores.read_text(encoding="utf-8"))
    skipped = [row for row in read_manifest(Path("data/resized")) if row.problem]
    for row in skipped:
        print(f"Skipped: {shown(row.path)}: {row.problem}")
    print("Report    reports/report.html")
    print("Pictures  reports/*.png")
    print("Plots     dvc plots show     (then open dvc_plots/index.html)")
    if os.environ.get("MLFLOW_TRACKING_URI"):
        print(f"MLflow    {os.environ['MLFLOW_TRACKING_URI']}")
    else:
        mlflow = Path(sys.executable).with_name("mlflow")
        print(f"MLflow    cd {shlex.quote(str(Path.cwd()))} && {shlex.quote(str(mlflow))} ui     (or: make ui)")


if __name__ == "__main__":
    logging.captureWarnings(True)
    main()
