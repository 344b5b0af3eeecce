"""The share of wrong labels, told from a net's own mistakes by how sure it is.

A net that errs and a label that is wrong look alike: the answer is not the label. They differ in how they go with the
net's sureness. The surer a net, the rarer its mistakes, down to none; but how often a label is wrong does not depend on
how sure a net is that had not seen the photograph. So the share of answers that go against their label falls with
sureness, and what it levels off at is the rate of wrong labels:

    P(against | m) = rate + (1 - rate) / (1 + exp(b m - a))

with m the margin, log p of the likeliest class less that of the next one. It is the psychometric function, whose lapses
too are mistakes without regard to how easy a trial is (F. Wichmann and N. Hill, "The psychometric function: I.",
Perception & Psychophysics 63:8, 2001); that the surest answers tell the rate of wrong labels is also the idea of G.
Patrini et al., "Making Deep Neural Networks Robust to Label Noise" (CVPR 2017, arXiv 1609.03683). Fitted by maximum
likelihood; the interval is that of the profile likelihood. Where a net is never sure enough for a level to be seen, it
goes down to 0.

What it cannot see: wrong labels on just those photographs that are hard to tell (they pass for mistakes of the net),
and mistakes that the net makes for sure (they pass for wrong labels). `benchmarks/label_noise.py` plants wrong labels
and measures how often the interval holds their share, beside what confident learning counts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pipeline.evaluation.predictions import FloatArray

_RATES = np.linspace(0, 0.7, 71)
_OFFSETS, _SLOPES = np.linspace(-3, 4, 29), np.geomspace(0.8, 12, 24)  # of margins in units of their median
# A lower slope would be of a net whose mistakes hardly go with its sureness: a level by another name.
_BINS = 40
_FALL = 1.92  # of the log likelihood: half the 95% quantile of chi squared with one degree of freedom


@dataclass(frozen=True)
class Level:
    """Answers against their label, by the margin in units of its median: see the head of the module."""

    rate: float
    offset: float
    slope: float

    def mistakes(self, margin: FloatArray) -> FloatArray:
        """Return the share of mistakes of the net at these margins, float64 (M,)."""
        falling: FloatArray = expit(self.offset - self.slope * margin)
        return falling

    def against(self, margin: FloatArray) -> FloatArray:
        """Return the share of answers against their label at these margins, float64 (M,)."""
        return self.rate + (1 - self.rate) * self.mistakes(margin)

    def wrong(self, margin: FloatArray) -> FloatArray:
        """Return how likely a label is wrong that an answer with this margin goes against, float64 (M,)."""
        chance: FloatArray = self.rate / np.maximum(self.against(margin), 1e-12)
        return chance


@dataclass(frozen=True, eq=False)
class Levels:
    """What was seen, and the curves through it.

    Attributes
    ----------
    margin : float64 (N,), how sure the answers are, see `margins`.
    against : bool (N,), whether they go against their label.
    likeliest, lowest, highest : the likeliest curve, and those at the ends of the interval of its rate.
    """

    margin: FloatArray
    against: NDArray[np.bool_]
    likeliest: Level
    lowest: Level
    highest: Level


def margins(probabilities: FloatArray) -> FloatArray:
    """Return the log probability of the likeliest class less that of the next, over the median of all: float64 (N,)."""
    best = np.log(np.sort(probabilities, axis=1)[:, -2:] + 1e-12)
    ahead: FloatArray = best[:, 1] - best[:, 0]
    return ahead / max(float(np.median(ahead)), 1e-12)


def fit(margin: FloatArray, against: NDArray[np.bool_], weight: float = 1.0) -> Levels:
    """Fit the rate of wrong labels, by maximum likelihood on a grid.

    Parameters
    ----------
    margin : float64 (N,), N >= 1, see `margins`; about equal ones are put together.
    against : bool (N,).
    weight : independent photographs that one counts as, 0 to 1.
    """
    parts = np.array_split(np.argsort(margin, kind="stable"), min(_BINS, len(margin)))
    middle = np.array([margin[part].mean() for part in parts])
    count, of = (weight * np.array(each) for each in zip(*((against[p].sum(), len(p)) for p in parts), strict=True))
    mistakes = expit(_OFFSETS[:, None, None] - _SLOPES[:, None] * middle)
    profile, best = [], []
    for rate in _RATES:
        chance = np.clip(rate + (1 - rate) * mistakes, 1e-6, 1 - 1e-6)
        fits = np.log(chance) @ count + np.log1p(-chance) @ (of - count)
        offset, slope = np.unravel_index(int(fits.argmax()), fits.shape)
        profile.append(float(fits.max()))
        best.append(Level(float(rate), float(_OFFSETS[offset]), float(_SLOPES[slope])))
    inside = np.flatnonzero(np.array(profile) >= max(profile) - _FALL)
    return Levels(margin, against, best[int(np.argmax(profile))], best[int(inside[0])], best[int(inside[-1])])
