"""How many photographs of test, which are such as those of training, are flagged as unlike all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluation.estimates import Rate
from pipeline.evaluation.operating import fewest_for, percent
from pipeline.evaluation.predictions import Answers, pooled_parts


@dataclass(frozen=True)
class OutlierResult:
    """False alarms of the detectors of outliers, each with the threshold from its own val part.

    Attributes
    ----------
    asked : the share that may be flagged
    false_alarms : on test
    fewest : photographs in val, of the net that has fewest
    """

    asked: float
    false_alarms: Rate
    fewest: int

    def figures(self) -> dict[str, float]:
        """Return the entry in `metrics.json`."""
        return {"target": self.asked} | self.false_alarms.figures("false_alarm_rate")

    def text(self) -> str:
        """Return it in sentences."""
        count, value, interval = self.false_alarms.words()
        said = (
            f"Unlike all in training: {count} photographs of test are flagged, {value} {interval}; thresholds were "
            f"chosen on val for at most {percent(self.asked)}."
        )
        if self.fewest < fewest_for(self.asked):
            said += (
                f" val has {self.fewest} photographs; to promise {percent(self.asked)} takes "
                f"{fewest_for(self.asked)}, so that the threshold is where none of them is flagged."
            )
        return said


def judge_outliers(nets: Sequence[Answers]) -> OutlierResult | None:
    """Return how often the nets flag photographs of their test parts; None if one of them cannot."""
    scores = pooled_parts(nets)["test"].outlier_scores
    promises = [net.promise for net in nets if net.promise]
    if scores is None or not promises:
        return None
    return OutlierResult(
        asked=promises[0].rate,
        false_alarms=Rate(int((scores > 1).sum()), len(scores)),
        fewest=min(promise.of for promise in promises),
    )
