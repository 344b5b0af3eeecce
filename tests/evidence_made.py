"""Evidence that was never measured: a set that is fine, and what differs from it."""

import math

import numpy as np

from pipeline.evaluation.estimates import Measured
from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.leaks import Leaks
from pipeline.feasibility.learning_curve import Curve, LearningCurve
from pipeline.feasibility.limits import Limits, Option
from pipeline.feasibility.noise import LabelNoise
from pipeline.feasibility.overfit import Overfit
from pipeline.feasibility.pairs import Pair
from pipeline.feasibility.signal import Signal
from pipeline.report.attributes import Attribute
from pipeline.report.labels import Doubt, Doubts
from pipeline.report.shortcuts import Association, Telltale

SIZES = (500, 85, 37, 58, 116, 8, 19)
NAMES = ("sound_bead", "porosity", "crack", "undercut", "lack_of_fusion", "burn_through", "spatter")
TARGET = 0.8


def measured(value, below=0.05, above=None):
    """A score with an interval within 0 and 1."""
    return Measured(value, max(0.0, value - below), min(1.0, value + (below if above is None else above)))


def evidence(**changes):
    """A set of which all is measured and all is well, but for `changes`."""
    fine = {
        "class_names": NAMES,
        "support": np.array(SIZES),
        "groups": np.array(SIZES),
        "target": TARGET,
        "in_full": None,
        "overfit": [heart()],
        "signal": signal(),
        "curve": curves(),
        "noise": noise(),
        "pairs": [pair()],
        "leaks": leaks(),
        "limits": limits(),
    }
    return Evidence(**fine | changes)


def heart(passed=True, model="resnet18", resolution=96):
    cause = "" if passed else "the loss hardly fell, so lr 5 is far too high or too low; try `weldproof lr find`"
    steps, loss = (87, 0.008) if passed else (300, 1.93)
    return Overfit(model, resolution, 28, passed, steps, loss, cause, (1.9, loss))


def signal(f1=None, p=0.005, sizes=SIZES, seen=None, **changes):
    """Scores of the classes: numbers, whose interval is as wide as 0.1, or a `Measured` each.

    `seen` is F1 of each class where the nets were taught with the photographs.
    """
    if seen is not None:
        changes |= {"seen_f1": tuple(map(measured, seen)), "seen_macro_f1": measured(float(np.mean(seen)))}
    f1 = tuple(each if isinstance(each, Measured) else measured(each, 0.1) for each in f1 or [0.9] * len(sizes))
    macro = float(np.mean([each.value for each in f1]))
    rng = np.random.default_rng(0)
    found = {
        "macro_f1": measured(macro, 0.06),
        "seen_macro_f1": measured(0.98, 0.02),
        "seen_f1": (measured(0.98, 0.02),) * len(sizes),
        "f1": f1,
        "support": np.array(sizes),
        "groups": np.array(sizes),
        "hits": np.array([round(size * each.value) for size, each in zip(sizes, f1, strict=True)]),
        "false_alarms": np.arange(len(sizes)),
        "majority": 0.11,
        "baseline": measured(macro / 2),
        "gain": Measured(macro / 2, macro / 2 - 0.08, macro / 2 + 0.08),
        "chance": rng.uniform(0.1, 0.2, 200),
        "class_chance": rng.uniform(0.0, 0.3, (200, len(sizes))),
        "p": p,
        "class_p": np.full(len(sizes), p),
        "shuffled": True,
    }
    return Signal(**found | changes)


def curve(k, now, needed=None, p_reach=0.9, ceiling=None, note="", f1=0.5):
    """A curve of class k; `needed` is (value, low, high)."""
    counts = np.array([now / 8, now / 4, now / 2, now * 0.8])
    seen = tuple(measured(f1 * share) for share in (0.4, 0.6, 0.8, 1.0))
    return Curve(
        class_number=k,
        counts=counts,
        f1=seen,
        drawn=np.tile([0.05, 1.0, 0.5], (50, 1)),
        now=now,
        needed=Measured(*(needed or (now / 2, now / 4, now))),
        p_reach=p_reach,
        ceiling=ceiling or measured(0.95),
        doubled=measured(min(1.0, f1 * 1.1)),
        note=note,
    )


def curves(special=None, sizes=SIZES):
    """Curves of all classes; `special[k]` are what `curve` is to be told of class k."""
    classes = tuple(curve(k, size, **(special or {}).get(k, {})) for k, size in enumerate(sizes))
    return LearningCurve(TARGET, classes, curve(None, sum(sizes), f1=0.7))


REACHABLE = {"needed": (72.0, 41.3, 148.7), "p_reach": 0.85}
HOPELESS = {"needed": (math.inf, 2e5, math.inf), "p_reach": 0.02, "ceiling": measured(0.55, 0.1)}
UNCLEAR = {"needed": (math.inf, 60.0, math.inf), "p_reach": 0.3}


def noise(rate=0.02, ceiling=0.97, believed=True, conflicts=0, count=3):
    doubts = tuple(Doubt(row, 0, 1, 0.01, 0.95) for row in range(count))
    by_class = (Measured(rate, 0.0, 1.0),) * len(SIZES)
    return LabelNoise(
        measured(rate, rate / 4), by_class, conflicts, Doubts(doubts, 800, (5,)), measured(ceiling), believed
    )


def pair(first=2, second=3, told_apart=True):
    auc = measured(0.95 if told_apart else 0.52, 0.04)
    gain = Measured(0.02, -0.01, 0.05) if told_apart else Measured(0.09, 0.05, 0.13)
    return Pair(
        first, second, auc, 0.97, 3 if told_apart else 44, 95, measured(0.9), gain, measured(0.88), True, told_apart
    )


def association(name="file type", value="PNG", class_number=4, of_file=True, closeness=0.6):
    kinds = Attribute(name, ("JPEG", value), np.zeros(3, np.int64), of_file)
    return Association(kinds, closeness, 0.002, (Telltale(value, class_number, 62, 62, 0.01),))


def leaks(random=0.8, grouped=0.78, gap=None, associations=(), attributes=0.2, border=0.15, in_groups=12):
    return Leaks(
        measured(random, 0.02),
        measured(grouped, 0.04),
        gap or Measured(random - grouped, random - grouped - 0.03, random - grouped + 0.03),
        in_groups,
        tuple(associations),
        measured(attributes),
        measured(border),
        0.21,
    )


def limits(gain=0.0, resolution=192):
    """The recipe's own net, one that is shown more pixels and gains so much, and one that loses."""
    own = Option("resnet18", 96, 20, measured(0.7), Measured(0.0, 0.0, 0.0))
    sharper = Option("resnet18", resolution, 5, measured(0.7 + gain), Measured(gain, gain - 0.04, gain + 0.04))
    other = Option("convnext_tiny", 96, 3, measured(0.5), Measured(-0.2, -0.25, -0.15))
    return Limits((own, sharper, other), 300)


def fine():
    """A set that is fine: as many of each class as it takes."""
    sizes = (300, 116, 85, 58, 37, 30, 25)
    return evidence(
        support=np.array(sizes), groups=np.array(sizes), signal=signal(sizes=sizes), curve=curves(sizes=sizes)
    )


def class_of_8():
    """The original case: all is well but for the class of 8 photographs, of which more would help."""
    f1 = [0.93, 0.88, 0.84, 0.86, 0.9, Measured(0.4, 0.08, 0.75), 0.9]
    return evidence(signal=signal(f1), curve=curves({5: {**REACHABLE, "f1": 0.4}}))


def pure_noise():
    """Many photographs that show nothing."""
    f1 = [measured(0.14, 0.06)] * 7
    return evidence(
        signal=signal(f1, p=0.6, baseline=measured(0.14, 0.04), gain=Measured(0, -0.05, 0.05)),
        curve=curves(dict.fromkeys(range(7), HOPELESS)),
        noise=noise(0.7, 0.3, believed=False, count=400),
        pairs=[pair(told_apart=False)],
        leaks=leaks(0.14, 0.14),
    )


def small():
    """So few photographs that nothing can be said."""
    sizes = (9, 7, 6, 5, 5, 4, 4)
    f1 = [Measured(0.3, 0.02, 0.7)] * 7
    return evidence(
        support=np.array(sizes),
        groups=np.array(sizes),
        signal=signal(f1, 0.2, sizes, macro_f1=Measured(0.3, 0.1, 0.5), baseline=Measured(0.3, 0.1, 0.5)),
        curve=curves({k: {"note": "too few"} for k in range(7)}, sizes),
        noise=noise(believed=False),
        pairs=[pair(told_apart=None)],
    )


def wrong_labels():
    """Three labels in ten are wrong."""
    f1 = [0.62] * 7
    return evidence(
        signal=signal(f1), noise=noise(0.3, 0.68, count=260), curve=curves(dict.fromkeys(range(4), HOPELESS))
    )


def one_class():
    """Two classes were drawn from one."""
    f1 = [0.93, 0.9, 0.5, 0.5, 0.9, 0.92, 0.9]
    f1[5] = Measured(0.95, 0.7, 1.0)
    return evidence(signal=signal(f1), pairs=[pair(told_apart=False)], curve=curves({2: HOPELESS, 3: HOPELESS}))


def copied():
    """A few parts stand behind many photographs."""
    groups = np.array([30, 12, 8, 9, 14, 3, 5])
    f1 = [measured(0.45, 0.2)] * 7
    return evidence(groups=groups, signal=signal(f1), leaks=leaks(0.98, 0.42, in_groups=790))


def without_time():
    """No training came to an end."""
    nothing = dict.fromkeys(("signal", "curve", "noise", "pairs", "leaks", "limits"))
    return evidence(overfit=(), **nothing)


def one_class_short(**changes):
    """All is well but for the class of 37, of which the curve says what `changes` say; what else differs may be given."""
    return evidence(signal=signal(SHORT), **changes)


SHORT = [0.93, 0.88, 0.62, 0.86, 0.9, Measured(0.95, 0.7, 1.0), 0.9]
