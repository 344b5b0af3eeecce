import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import cross_entropy

from pipeline.training.losses import class_weights, weighted_losses

LABELS = np.array([0] * 50 + [1] * 8 + [2] * 2)


def test_class_weights_are_scikit_learns_balanced_ones():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    assert class_weights(LABELS, 3) == pytest.approx(expected)


def test_class_weights_average_to_one_over_the_images():
    assert class_weights(LABELS, 3)[LABELS].mean() == pytest.approx(1)


def test_a_class_without_images_weighs_nothing_and_changes_no_other():
    assert class_weights(LABELS, 5) == pytest.approx([*class_weights(LABELS, 3), 0, 0])


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_sum_over_weights_is_pytorchs_weighted_mean(label_smoothing):
    logits, y_true, weights = torch.randn(7, 3), torch.tensor([0, 1, 2, 2, 1, 0, 0]), torch.tensor([0.5, 2.0, 1.0])
    expected = cross_entropy(logits, y_true, weights, label_smoothing=label_smoothing)
    found = weighted_losses(logits, y_true, weights, label_smoothing).sum() / weights[y_true].sum()
    assert found == pytest.approx(expected.item(), rel=1e-6)


def test_the_loss_of_bf16_logits_is_computed_in_float32():
    logits = torch.randn(5, 3).bfloat16()
    assert weighted_losses(logits, torch.zeros(5, dtype=torch.int64), torch.ones(3), 0.0).dtype == torch.float32
