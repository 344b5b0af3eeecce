"""Whether a model that was registered becomes champion: the rule, and how its verdict is written down.

A version is judged once, in the process that sends records to MLflow, when all else of its run has arrived there. It
becomes champion if there is none, or if the paired comparison with the champion (`evaluation.comparison`), on the
photographs that both were tested on, says all of this:

1. the 95% interval of the difference in macro F1 lies above `least_gain`;
2. no class lost more than `class_loss` of its F1, by what was seen and not by an interval: a class of 8 photographs can
   lose a fifth of its recall and no interval shows it (`benchmarks/promotion_rule.py`);
3. each class that the champion was tested on has photographs among the common ones: nothing else can be known of it.

Else it is challenger, as it is where the comparison cannot be made. Why stands in words on the version.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import DataError, TrackingError
from pipeline.text import shown
from pipeline.tracking.journal import Record
from pipeline.tracking.versions import CHALLENGER, CHAMPION, Version, Versions

if TYPE_CHECKING:
    from pipeline.evaluation.comparison import Answers, Comparison
    from pipeline.tracking.store import Store

VERDICT = "verdict"
"""The tag that says what a version became when it was judged. Written last: who has it is not judged again."""
WHY = "verdict.why"
AGAINST = "verdict.against"
CROWNED = "champion.why"
"""The tag that says when and by whom a version was made champion by hand."""

PATIENCE = 30.0
"""Seconds at the most that a version waits for earlier ones to be judged: a sender that was killed judges none."""
_ROUNDING = 1e-9
"""0.95 is 0.05 below 1 to a person."""
_RECENT = 600_000
"""Milliseconds: what was registered so long before is not waited for."""
ASSIGNMENT = "assignment.csv"

# Of a run, on its version: tag or metric -> tag.
_TAGS = {"dvc.packed": "dvc.packed", "dvc.split": "dvc.split", "mlflow.source.git.commit": "git.commit"}
_TAGS |= {"git.clean": "git.clean"}
METRICS = ("test/macro_f1", "test/macro_f1/low", "test/macro_f1/high")


@dataclass(frozen=True)
class Verdict:
    """What a version is to be, why, and the number of the version that it was compared with, if it was."""

    alias: str
    why: str
    against: int | None = None


def judge(store: "Store", run_id: str, record: Record, files: Path) -> None:
    """Make the version of a run champion or challenger, and write on it why; once.

    What hinders the comparison is written on it as well; nothing but a store that does not answer raises.

    Parameters
    ----------
    run_id : MLflow's id of it.
    record : holds the `name` of the registered model, and the `rule` as `PromotionParams` has it.
    files : folder with the run's assignment.csv.

    Raises
    ------
    TrackingError
        If the store fails; to be called again then.
    """
    versions = Versions(store, record["name"])
    version = versions.of_run(run_id)
    if version is None or VERDICT in version.tags:
        return
    _wait_for_earlier_ones(versions, version)
    now = versions.crown().champion
    while True:
        champion = now
        verdict = _verdict(store, versions, version, champion, record["rule"], files)
        _write(store, versions, version, verdict)
        # Asked again, because a person can have moved it meanwhile.
        now = versions.crown().champion
        if now == champion:
            break
    if verdict.alias == CHAMPION:
        versions.promote(version.number)
    else:
        versions.challenge(version.number)
    versions.describe(version.number, {VERDICT: verdict.alias})


def _wait_for_earlier_ones(versions: Versions, version: Version) -> None:
    """Let what was registered a moment earlier, from another machine perhaps, be judged first, if it is soon.

    The registry numbers versions one by one, which is the only thing in it that two senders cannot do at once.
    """
    end = time.monotonic() + PATIENCE
    while any(_comes_before(each, version) for each in versions.all()) and time.monotonic() < end:
        time.sleep(0.3)


def _comes_before(other: Version, version: Version) -> bool:
    recent = other.number < version.number and other.made > version.made - _RECENT
    # One without a run was registered by something else, and is never judged.
    return recent and bool(other.run_id) and VERDICT not in other.tags


def _verdict(
    store: "Store", versions: Versions, version: Version, number: int | None, rule: Mapping[str, float], files: Path
) -> Verdict:
    """Compare a version with the champion, whose number it is."""
    if number is None:
        return Verdict(CHAMPION, "The first: there was no champion to compare it with.")
    if number == version.number:
        # Broken off after the alias was moved.
        return Verdict(CHAMPION, version.tags.get(WHY, ""))
    try:
        return _compared(store, versions, version, number, rule, files)
    except TrackingError:
        raise
    except Exception as error:
        # Whatever it is: a mistake in the comparison must not keep what the run has recorded from its store.
        reason = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
        why = f"It could not be compared with the champion, version {number}: {shown(reason)}"
        return Verdict(CHALLENGER, why, number)


def _compared(
    store: "Store", versions: Versions, version: Version, number: int, rule: Mapping[str, float], files: Path
) -> Verdict:
    # Loads scikit-learn and PyTorch.
    from pipeline.evaluation.comparison_text import remarks, sentence

    comparison, missing = _compare(store, versions, version, number, files)
    against = [*objections(comparison, missing, rule)]
    head = f"Compared as B with the champion, version {number}, as A. {sentence(comparison)}"
    return Verdict(CHALLENGER if against else CHAMPION, " ".join([head, *against, *remarks(comparison)]), number)


def objections(comparison: "Comparison", missing: list[str], rule: Mapping[str, float]) -> Iterator[str]:
    """Yield, in sentences, what speaks against B's becoming champion in place of A.

    Parameters
    ----------
    missing : classes that A was tested on without a photograph among the common ones.
    rule : `least_gain` and `class_loss`.
    """
    gain, loss = rule["least_gain"], rule["class_loss"]
    if comparison.low.macro_f1 <= gain:
        yield f"Not promoted: the interval of the gain in macro F1 does not lie above {gain:g}."
    fallen = [
        f"{shown(name)} ({comparison.a.f1[k]:.2f} -> {comparison.b.f1[k]:.2f}, {_photographs(comparison.support[k])})"
        for k, name in enumerate(comparison.class_names)
        if comparison.value.f1[k] < -loss - _ROUNDING and comparison.support[k]
    ]
    if fallen:
        yield f"Not promoted: F1 fell by more than {loss:g} at {', '.join(fallen)}."
    if missing:
        names = ", ".join(map(shown, missing))
        yield f"Not promoted: of {names}, which the champion was tested on, both were tested on no photograph."


def _photographs(count: int) -> str:
    return f"{count} photograph{'' if count == 1 else 's'}"


def _compare(
    store: "Store", versions: Versions, version: Version, number: int, files: Path
) -> "tuple[Comparison, list[str]]":
    """Compare a version with the champion, whose number it is; return also the champion's classes that are missing.

    Raises DataError if they cannot be compared.
    """
    import numpy as np

    from pipeline.evaluation.comparison import compare_answers
    from pipeline.runs import groups_of, text_of

    champion = versions.get(number)
    if champion is None:
        raise DataError(f"wanted version {number}, found none; it was deleted")
    a, b = (_answers(store, each) for each in (champion, version))
    groups = groups_of(text_of(ASSIGNMENT, files / ASSIGNMENT))
    # The draws of `weldproof compare`, which must say the same of the two.
    comparison = compare_answers(a, b, [groups], np.random.default_rng(0))
    judged = {name for name, count in zip(comparison.class_names, comparison.support, strict=True) if count}
    return comparison, sorted({actual for actual, _ in a.values()} - judged)


def _answers(store: "Store", version: Version) -> "Answers":
    from pipeline.evaluation.comparison import read_answers
    from pipeline.runs import REPORTED, text_of

    where = f"{REPORTED} of version {version.number}"
    if not version.run_id:
        raise DataError(f"{where}: wanted a run that has it, found that it was registered without one")
    with tempfile.TemporaryDirectory() as folder:
        try:
            deleted = store.get_run(version.run_id).info.lifecycle_stage != "active"
            path = None if deleted else store.download(version.run_id, REPORTED, Path(folder))
        except TrackingError as error:
            # A store that works and does not have it is no reason to try again.
            store.ping()
            raise DataError(f"{where}: {error}") from None
        if deleted:
            raise DataError(f"{where}: wanted its run, found that run {version.run_id} was deleted")
        if path is None:
            raise DataError(f"{where}: wanted it among the artifacts of run {version.run_id}, found nothing")
        return read_answers(where, text_of(where, path))


def _write(store: "Store", versions: Versions, version: Version, verdict: Verdict) -> None:
    """Write a verdict and what it is about on its version, before anything is done: so a kill loses no reason."""
    data = store.get_run(version.run_id).data
    facts = {tag: data.tags[key] for key, tag in _TAGS.items() if key in data.tags}
    facts |= {name: f"{data.metrics[name]:.4f}" for name in METRICS if name in data.metrics}
    against = {} if verdict.against is None else {AGAINST: str(verdict.against)}
    note = data.tags.get("mlflow.note.content", "")
    description = f"When it was registered: **{verdict.alias}**. {_escaped(verdict.why)}\n\n{note}"
    versions.describe(version.number, facts | against | {WHY: verdict.why}, description)


def _escaped(text: str) -> str:
    """Return a text as Markdown shows it."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|$#~&" else letter for letter in text)
