import torch

from pipeline.training.randomness import derive, generator, seeded

CPU = torch.device("cpu")


def test_streams_differ_and_repeat():
    seeds = {derive(seed, stream, epoch) for seed in range(3) for stream in range(3) for epoch in range(3)}
    assert len(seeds) == 27
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive(1, 2, 3) == derive(1, 2, 3)


def test_generator_starts_at_its_seed():
    assert torch.equal(torch.rand(4, generator=generator(5, CPU)), torch.rand(4, generator=generator(5, CPU)))


def test_seeded_block_repeats_and_leaves_the_state_outside_alone():
    before = torch.get_rng_state()
    with seeded(5, CPU):
        first = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    with seeded(5, CPU):
        assert torch.equal(torch.rand(4), first)
