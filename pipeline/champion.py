"""`weldproof champion`: which model is used, which one might be, and the way back."""

import argparse
import time
from collections.abc import Iterator

from pipeline.errors import TrackingError
from pipeline.params import load_section
from pipeline.promotion import CROWNED, METRICS, WHY
from pipeline.text import shown
from pipeline.tracking.origin import user
from pipeline.tracking.places import shown_address, tracking_uri
from pipeline.tracking.versions import CHALLENGER, CHAMPION, Crown, Version, Versions


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Add the arguments of `champion`."""
    move = verb.add_mutually_exclusive_group()
    move.add_argument("--set", type=_version, metavar="VERSION", help="make this one champion; a number, or challenger")
    move.add_argument("--back", action="store_true", help="make the former champion champion again")


def _version(text: str) -> str:
    if text != CHALLENGER and not (text.isdecimal() and text.isascii()):
        raise argparse.ArgumentTypeError(f"wanted the number of a version, or {CHALLENGER}, found {shown(text)}")
    return text


def champion(arguments: argparse.Namespace) -> None:
    """Say which registered model is champion, which challenger, and why; or make another one champion.

    `evaluate` registers each model, and it becomes champion if it is better than the champion by the rule
    evaluate.promote of params.yaml, else challenger (docs/promotion.md). --set makes any version champion, whatever the
    rule says of it. --back makes that version champion which was it before; given again, the one before that.
    models:/NAME@champion names the champion to `weldproof predict --model`, to `pipeline.load` and to MLflow.
    """
    # Load scikit-learn, PyTorch and MLflow, which take seconds.
    from pipeline.evaluation.params import EvaluateParams
    from pipeline.tracking.store import open_store

    name = load_section("evaluate", EvaluateParams).registered_model
    store = open_store(tracking_uri())
    if store is None:
        raise TrackingError(f"{_place(name)}: wanted a store that has it, found none; evaluate makes one")
    versions = Versions(store, name)
    if arguments.back or arguments.set:
        print(_back(versions) if arguments.back else _set(versions, arguments.set))
        return
    now = versions.crown()
    if now.champion is None:
        raise TrackingError(f"{_place(name)}: wanted a champion, found none; evaluate makes one, or --set VERSION")
    print("\n".join(_overview(versions, now)))


def _place(name: str) -> str:
    return f"{shown(name)} in MLflow at {shown_address(tracking_uri())}"


def _set(versions: Versions, wanted: str) -> str:
    now = versions.crown()
    number = now.challenger if wanted == CHALLENGER else int(wanted)
    # A registry's numbers are no larger than this; a database takes no larger ones.
    if number is None or not 0 < number < 2**31 or versions.get(number) is None:
        said = CHALLENGER if number is None else f"version {number}"
        raise TrackingError(f"--set {wanted}: wanted a version of {_place(versions.name)}, found no {said}")
    if number == now.champion:
        return f"Version {number} of {versions.name} is champion already."
    versions.describe(number, {CROWNED: _by_hand(f"in place of version {now.champion}" if now.champion else "")})
    versions.promote(number)
    return f"Version {number} of {versions.name} is champion{_instead(now.champion)}."


def _back(versions: Versions) -> str:
    now = versions.crown()
    number = versions.former(now)
    if number is None:
        raise TrackingError(f"--back: wanted a former champion of {_place(versions.name)}, found none")
    versions.describe(number, {CROWNED: _by_hand(f"back from version {now.champion}" if now.champion else "")})
    versions.go_back()
    undo = f"; to undo that: weldproof champion --set {now.champion}" if now.champion else ""
    return f"Version {number} of {versions.name} is champion again{_instead(now.champion)}{undo}"


def _instead(former: int | None) -> str:
    return f", in place of version {former}" if former else ""


def _by_hand(how: str) -> str:
    return f"Set by hand by {user()}, {time.strftime('%Y-%m-%d %H:%M %Z')}{f', {how}' if how else ''}."


def _overview(versions: Versions, now: Crown) -> Iterator[str]:
    yield f"{_place(versions.name)}"
    for alias, number, tag in ((CHAMPION, now.champion, CROWNED), (CHALLENGER, now.challenger, WHY)):
        version = None if number is None else versions.get(number)
        if version:
            yield f"\n{alias:<10}  {_line(version)}"
            yield f"            {shown(version.tags.get(tag) or version.tags.get(WHY) or 'No reason is known.')}"
    former = versions.former(now)
    yield f"\nbefore it   version {former}   (weldproof champion --back)" if former else "\nbefore it   none"


def _line(version: Version) -> str:
    day = time.strftime("%Y-%m-%d", time.localtime(version.made / 1000))
    value, low, high = (version.tags.get(name) for name in METRICS)
    score = f"macro F1 {value} [{low}, {high}]" if value and low and high else "no score"
    commit = version.tags.get("git.commit", "")[:7]
    return f"version {version.number}, {day}, {score}, run {version.run_id}{f', git {commit}' if commit else ''}"
