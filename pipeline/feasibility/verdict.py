"""The verdict: go, collect more, stop or change the task, or not known yet; by a rule that is documented."""

from dataclasses import dataclass

from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.remarks import remarks
from pipeline.feasibility.rule import RULE, Kind


@dataclass(frozen=True)
class Verdict:
    """What follows from the findings; plain text, names of classes escaped where they are not printable.

    Attributes
    ----------
    kind : "go"; "collect" photographs; "change": stop, or change labels, classes or pictures; "unknown": not known yet.
    headline : a sentence.
    reasons : what was found that it rests on, with figures and their 95% intervals.
    would_change : what would change it.
    next_step : the cheapest thing to do next.
    rule : id of the row of `RULE` that decided.
    also : what is true as well and matters.
    """

    kind: Kind
    headline: str
    reasons: tuple[str, ...]
    would_change: str
    next_step: str
    rule: str
    also: tuple[str, ...]

    @property
    def in_short(self) -> str:
        """The verdict and the next step, as the description of a run."""
        return f"**{self.headline}**\n\nDo next: {self.next_step}"


def judge(evidence: Evidence) -> Verdict:
    """Return what the first row of `RULE` that applies says."""
    row = next(row for row in RULE if row.holds(evidence))
    words = row.says(evidence)
    also = remarks(evidence, row.id)
    return Verdict(row.kind, words.headline, words.reasons, words.would_change, words.next_step, row.id, also)
