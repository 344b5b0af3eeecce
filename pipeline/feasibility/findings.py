"""From what the nets answered to the evidence."""

import numpy as np

from pipeline.errors import PipelineError
from pipeline.feasibility import leaks, learning_curve, limits, noise, pairs, signal
from pipeline.feasibility.curve_section import curve_section
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.leaks import leaks_section
from pipeline.feasibility.learning_curve import LearningCurve
from pipeline.feasibility.limits import Limits, limits_section
from pipeline.feasibility.noise import noise_section
from pipeline.feasibility.overfit import overfit_section
from pipeline.feasibility.pairs import pairs_section
from pipeline.feasibility.signal import signal_section
from pipeline.feasibility.study import Study
from pipeline.feasibility.trainings import Trained
from pipeline.feasibility.wanted import SHARES
from pipeline.report.sections import Section


def evidence_of(study: Study, target: float, trained: Trained) -> Evidence:
    """Return the findings; those that there was no time for are missing.

    Raises
    ------
    PipelineError
        If there was no time for even the scores.
    """
    if trained.seen is None:
        raise PipelineError(
            "feasibility: the time was up before all photographs were answered for; raise feasibility.minutes"
        )
    folds = trained.answers["folds"][""]
    # Each has random numbers of its own: what one draws changes no other.
    streams = np.random.default_rng(study.seed).spawn(6)
    scores = signal.measure(study, folds, trained.seen, trained.answers.get("shuffled", {}).get(""), streams[0])
    return Evidence(
        class_names=study.class_names,
        support=study.support,
        groups=study.groups_of,
        target=target,
        in_full=trained.probe.in_full,
        overfit=trained.overfit,
        signal=scores,
        curve=_curve(study, target, trained, streams[1]),
        noise=noise.measure(study, folds, streams[2]),
        pairs=pairs.measure(folds, trained.seen, scores.learnt(target), streams[3]),
        leaks=leaks.measure(study, streams[4]),
        limits=_limits(trained, streams[5]),
    )


def _curve(study: Study, target: float, trained: Trained, rng: np.random.Generator) -> LearningCurve | None:
    if "curve" not in trained.answers:
        return None
    by_share = {SHARES[name]: answers for name, answers in trained.answers["curve"].items()}
    return learning_curve.measure(study, by_share | {1.0: trained.answers["folds"][""]}, target, rng)


def _limits(trained: Trained, rng: np.random.Generator) -> Limits | None:
    if "nets" not in trained.answers:
        return None
    own = trained.probe.recipe, trained.answers["folds"][""]
    others = [(trained.recipes["nets"][setting], answers) for setting, answers in trained.answers["nets"].items()]
    return limits.measure(own, others, rng)


def sections_of(evidence: Evidence, study: Study) -> list[Section]:
    """Return what the page says of each finding that there is, with its pictures."""
    return [
        overfit_section(evidence.overfit),
        *([signal_section(evidence.signal, study)] if evidence.signal else []),
        *([curve_section(evidence.curve, study)] if evidence.curve else []),
        *([noise_section(evidence.noise, study)] if evidence.noise else []),
        *([pairs_section(evidence.pairs, study)] if evidence.pairs is not None else []),
        *([leaks_section(evidence.leaks, study)] if evidence.leaks else []),
        *([limits_section(evidence.limits)] if evidence.limits else []),
    ]
