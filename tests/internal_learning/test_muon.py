"""The optimiser of matrices against the singular value decomposition and against torch's."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from restoration.internal_learning import muon
from restoration.internal_learning.muon import NEWTON_SCHULZ, Muon, at_once, orthogonalised

SHAPES = [(5, 9), (9, 5), (6, 6), (5, 9), (1, 7)]


def by_decomposition(matrix):
    """The polynomial of each singular value, in float64."""
    u, s, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    s = s / s.norm()
    a, b, c = NEWTON_SCHULZ
    for _ in range(5):
        s = a * s + b * s**3 + c * s**5
    return u @ torch.diag(s) @ v


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (7, 7), (1, 5)])
def test_singular_values_go_through_the_polynomial(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([by_decomposition(m) for m in matrices]).float()
    torch.testing.assert_close(orthogonalised(matrices), expected, rtol=1e-4, atol=1e-5)


def parameters(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def give_gradients(some, seed):
    for p, gradient in zip(some, parameters(seed), strict=True):
        p.grad = gradient.detach().clone()


@pytest.fixture
def in_float32(monkeypatch):
    monkeypatch.setattr(muon, "precision", lambda device: "32-true")


@pytest.mark.usefixtures("in_float32")
def test_steps_are_those_of_the_paper():
    moved, rate, momentum, decay = parameters(), 0.02, 0.9, 0.3
    weights = [p.detach().double() for p in moved]
    averages = [torch.zeros_like(w) for w in weights]
    optimizer = Muon(moved, rate, momentum, decay)
    for step in range(1, 4):
        give_gradients(moved, step)
        optimizer.step()
        for i, p in enumerate(moved):
            gradient = p.grad.double()
            averages[i] = momentum * averages[i] + (1 - momentum) * gradient
            direction = momentum * averages[i] + (1 - momentum) * gradient
            rows, columns = p.shape
            factor = rate * max(1, rows / columns) ** 0.5
            weights[i] = weights[i] * (1 - rate * decay) - factor * by_decomposition(direction)
    for p, expected in zip(moved, weights, strict=True):
        torch.testing.assert_close(p.detach(), expected.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("in_float32")
def test_matrices_of_all_shapes_at_once_are_those_one_by_one():
    matrices = [p.detach() for p in parameters()]
    expected = [orthogonalised(m[None])[0] for m in matrices]
    for own, other in zip(at_once(matrices), expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def test_in_bfloat16_steps_are_those_of_torch(monkeypatch):
    monkeypatch.setattr(muon, "precision", lambda device: "bf16-mixed")
    ours, theirs = parameters(), parameters()
    optimizers = Muon(ours, 0.02), torch.optim.Muon(theirs, 0.02)
    for step in (1, 2):
        for some, optimizer in zip((ours, theirs), optimizers, strict=True):
            give_gradients(some, step)
            optimizer.step()
    for own, other, start in zip(ours, theirs, parameters(), strict=True):
        moves = own - start, other - start
        assert (moves[0] - moves[1]).norm() < 0.02 * moves[1].norm()  # bfloat16 has 8 bits


@pytest.mark.usefixtures("in_float32")
def test_it_goes_on_from_a_state_of_torch():
    """Libraries of earlier versions hold one; weights without a gradient stay."""
    moved, still = parameters(), nn.Parameter(torch.ones(2, 2))
    before = torch.optim.Muon([*moved, still], 0.02)
    give_gradients(moved, 1)
    before.step()
    others = [nn.Parameter(p.detach().clone()) for p in (*moved, still)]
    after = Muon(others, 0.5)
    after.load_state_dict(deepcopy(before.state_dict()))
    for some, optimizer in ((moved, before), (others[:-1], after)):
        give_gradients(some, 2)
        optimizer.step()
    for own, other, last in zip(others, moved, parameters(), strict=False):
        assert (own - other).norm() < 0.02 * (other - last).norm()
    assert others[-1].equal(torch.ones(2, 2))
