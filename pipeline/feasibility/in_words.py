"""How measured values stand in a sentence: with their 95% interval behind them."""

import math

from pipeline.evaluation.estimates import Measured


def score(found: Measured) -> str:
    """Return "0.71 (0.62 to 0.79)"; "-" where it is NaN."""
    return _with_interval(found, ".2f")


def gain(found: Measured) -> str:
    """Return "+0.08 (+0.03 to +0.13)"; "-" where it is NaN."""
    return _with_interval(found, "+.2f")


def share(found: Measured) -> str:
    """Return "12% (8.4% to 17%)"."""
    return f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"


def percent(share: float) -> str:
    """Return "12%", or "0.4%" where it is little."""
    return f"{share:.1%}" if 0 < share < 0.095 else f"{share:.0%}"


def amount(count: float) -> str:
    """Return a number of photographs to its first two digits, or, below 100, to the next 5: nobody knows it better."""
    return f"{in_steps(count):,.0f}"


def in_steps(count: float) -> float:
    """Return the number that `amount` shows; inf stays."""
    if math.isinf(count):
        return count
    return round(count, 1 - math.floor(math.log10(count))) if count >= 100 else 5 * max(1, round(count / 5))


def _with_interval(found: Measured, form: str) -> str:
    if math.isnan(found.value):
        return "-"
    value, low, high = (format(end, form) for end in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"
