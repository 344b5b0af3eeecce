import pytest
import torch
from torch import nn

from pipeline.training.optimizers import build_average, build_optimizer


def net():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_every_parameter_is_trained_once_and_weights_alone_decay(recipe, name, kind):
    model = net()
    optimizer = build_optimizer(model, recipe(optimizer=name, lr=0.1, weight_decay=0.3))
    assert type(optimizer) is kind
    decayed, spared = optimizer.param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    assert [p.ndim for p in decayed["params"]] == [4, 2]
    assert [p.ndim for p in spared["params"]] == [1, 1, 1, 1]
    assert decayed["lr"] == spared["lr"] == 0.1


def test_momentum_is_read_by_sgd(recipe):
    optimizer = build_optimizer(net(), recipe(optimizer="sgd", momentum=0.7))
    assert [group["momentum"] for group in optimizer.param_groups] == [0.7, 0.7]


def test_no_average():
    assert build_average(net(), 0.0) is None


def step_to(model, number):
    with torch.no_grad():
        model[0].weight.fill_(float(number % 7))
        model[1].running_mean.fill_(float(number % 5))
        model[1].num_batches_tracked += 1


def means(module):
    return torch.stack([module[0].weight.mean(), module[1].running_mean.mean()])


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_average_that_is_asked_for_after_each_step_follows_its_definition(decay):
    model = net()
    average = build_average(model, decay)
    expected = None
    for step in range(30):
        step_to(model, step)
        average.update()
        current = torch.tensor([step % 7, step % 5], dtype=torch.float32)
        keep = min(decay, (1 + step) / (10 + step))
        expected = current if expected is None else keep * expected + (1 - keep) * current
        assert torch.allclose(means(average.module), expected, atol=1e-5)
    assert average.module[1].num_batches_tracked == 30


def test_one_step_in_four_counts_for_all_four():
    model = net()
    average = build_average(model, 0.9)
    for step in range(404):
        step_to(model, 3 if step < 400 else 4)
        average.update()
    kept = 0.9**4
    assert torch.allclose(means(average.module), torch.tensor([kept * 3 + (1 - kept) * 4] * 2))


def test_average_goes_on_from_its_state():
    model, averages = net(), []
    for broken_off in (False, True):
        model.load_state_dict({name: torch.zeros_like(value) for name, value in model.state_dict().items()})
        average = build_average(model, 0.9)
        for step in range(11):
            step_to(model, step)
            average.update()
            if step == 5:
                state = average.state_dict()
                if broken_off:
                    average = build_average(model, 0.9)
                    average.load_state_dict(state)
        averages.append(means(average.module))
    assert torch.equal(*averages)


def test_average_is_no_part_of_what_is_trained():
    model = net()
    average = build_average(model, 0.9)
    assert not any(p.requires_grad for p in average.module.parameters())
    assert all(p.requires_grad for p in model.parameters())
