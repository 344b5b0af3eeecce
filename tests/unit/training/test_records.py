import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.records import kept_epoch

rates = st.floats(0.06, 1.0)
losses = st.floats(0.0, 10.0)


@given(st.lists(st.tuples(rates, losses), min_size=1))
def test_while_the_rate_is_high_the_first_of_the_lowest_losses_counts(course):
    lr, val_loss = zip(*course, strict=True)
    assert kept_epoch(lr, val_loss) == val_loss.index(min(val_loss))


@given(st.lists(st.tuples(st.floats(0.001, 1.0), losses), min_size=1))
def test_when_the_rate_has_fallen_the_last_counts(course):
    lr, val_loss = zip(*course, (max(lr for lr, _ in course) / 21, 20.0), strict=True)
    assert kept_epoch(lr, val_loss) == len(course)


@given(st.lists(st.floats(0.001, 1.0), min_size=1))
def test_without_validation_the_last_counts(lr):
    assert kept_epoch(lr, [math.nan] * len(lr)) == len(lr) - 1


@pytest.mark.parametrize(("last", "kept"), [(0.3, 3), (0.5, 2)])
def test_turned_up_again_a_lower_loss_is_wanted_than_the_settled_one_had(last, kept):
    assert kept_epoch([1, 1, 0.01, 1], [0.2, 0.9, 0.4, last]) == kept
