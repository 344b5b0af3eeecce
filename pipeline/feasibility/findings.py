"""From what the nets answered to the evidence."""

import numpy as np

from pipeline.errors import PipelineError
from pipeline.feasibility import leaks, learning_curve, limits, noise, pairs, signal
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.learning_curve import LearningCurve
from pipeline.feasibility.limits import Limits
from pipeline.feasibility.study import Study
from pipeline.feasibility.trainings import Trained
from pipeline.feasibility.wanted import SHARES


def evidence_of(study: Study, target: float, trained: Trained) -> Evidence:
    """Return the findings; those that there was no time for are missing.

    Raises
    ------
    PipelineError
        If there was no time for even the scores.
    """
    if "folds" not in trained.answers:
        raise PipelineError(
            "feasibility: the time was up before all photographs were answered for; raise feasibility.minutes"
        )
    folds = trained.answers["folds"][""]
    # Each has random numbers of its own: what one draws changes no other.
    streams = np.random.default_rng(study.seed).spawn(6)
    return Evidence(
        class_names=study.class_names,
        support=study.support,
        groups=study.groups_of,
        target=target,
        overfit=trained.overfit,
        signal=signal.measure(study, folds, trained.answers.get("shuffled", {}).get(""), streams[0]),
        curve=_curve(study, target, trained, streams[1]),
        noise=noise.measure(study, folds, streams[2]),
        pairs=pairs.measure(study, folds, streams[3]),
        leaks=leaks.measure(study, streams[4]),
        limits=_limits(study, trained, streams[5]),
    )


def _curve(study: Study, target: float, trained: Trained, rng: np.random.Generator) -> LearningCurve | None:
    if "curve" not in trained.answers:
        return None
    by_share = {SHARES[name]: answers for name, answers in trained.answers["curve"].items()}
    return learning_curve.measure(study, by_share | {1.0: trained.answers["folds"][""]}, target, rng)


def _limits(study: Study, trained: Trained, rng: np.random.Generator) -> Limits | None:
    if "nets" not in trained.answers:
        return None
    others = [(trained.recipes["nets"][setting], answers) for setting, answers in trained.answers["nets"].items()]
    return limits.measure(study, trained.answers["folds"][""], others, rng)
