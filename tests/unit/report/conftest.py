"""A net of random weights, and what is judged with it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from judged_sets import answered
from nets import sharp_net

from pipeline.data.assignment import Assignment
from pipeline.data.packed import PackedSet
from pipeline.report.judged import Judged, judge
from pipeline.training.device import cpu_threads


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    with cpu_threads(1):
        yield


@pytest.fixture(scope="session")
def net() -> Any:
    return sharp_net("shufflenet_v2_x0_5")


@pytest.fixture(scope="session")
def make_judged(net: Any) -> Callable[..., Judged]:
    """A set that is all test and train at once (only what looks at the net needs better), and what was said of it."""

    def make(said: Sequence[int], packed: PackedSet, groups: Sequence[int] | None = None) -> Judged:
        labels = packed.labels
        part, fold = np.full(len(labels), "test"), np.full(len(labels), -1)
        group = np.array(range(len(labels)) if groups is None else groups)
        table = Assignment(packed.class_names, labels, part, fold, 0, group)
        test = answered(packed, range(len(labels)), said)
        return judge([net], packed, table, test)

    return make
