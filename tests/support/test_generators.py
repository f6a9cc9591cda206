import pytest
import torch

from restoration.errors import RestorationError
from restoration.support import generators
from restoration.support.generators import own_generator

CPU = torch.device("cpu")


def draw(generator):
    return torch.rand(4, generator=generator)


def test_noise_follows_the_seed_and_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first = draw(own_generator(CPU))
    assert torch.equal(first, draw(own_generator(CPU)))
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(4)
    assert not torch.equal(first, draw(own_generator(CPU)))


def test_ranks_draw_apart_before_and_after_a_checkpoint(monkeypatch):
    torch.manual_seed(3)
    zero = own_generator(CPU)
    start = draw(zero)
    state = zero.get_state()
    expected = draw(zero)
    assert torch.equal(draw(own_generator(CPU, state)), expected)  # the first rank goes on

    seen = [start, expected]
    for rank in (1, 2):
        monkeypatch.setattr(generators, "rank", lambda rank=rank: rank)
        seen += [draw(own_generator(CPU)), draw(own_generator(CPU, state))]
    assert len({tuple(values.tolist()) for values in seen}) == len(seen)


def test_the_state_of_another_kind_of_device_is_refused():
    with pytest.raises(RestorationError, match="another kind of device"):
        own_generator(CPU, torch.zeros(16, dtype=torch.uint8))  # as long as that of a GPU
