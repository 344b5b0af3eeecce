"""How many photographs of test, which are such as those of training, are flagged as unlike all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluation.estimates import Rate, rate_of
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

    def notes(self) -> list[str]:
        """Return in sentences what the threshold cannot promise."""
        fewest = fewest_for(self.asked)
        if self.fewest >= fewest:
            return []
        return [
            f"val has {self.fewest} photographs; to promise {percent(self.asked)} takes {fewest}, so that the "
            "threshold is where none of them is flagged."
        ]


def judge_outliers(nets: Sequence[Answers]) -> OutlierResult | None:
    """Return how often the nets flag photographs of their test parts; None if one of them cannot."""
    test = pooled_parts(nets)["test"]
    promises = [net.promise for net in nets if net.promise]
    if test.outlier_scores is None or not promises:
        return None
    return OutlierResult(
        asked=promises[0].rate,
        false_alarms=rate_of(test.outlier_scores > 1, test.groups),
        fewest=min(promise.of for promise in promises),
    )
