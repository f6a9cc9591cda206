"""The same network, faster: a step on a CPU takes half the time and memory.

The network is all in ``hourglass`` and ``layers``, in plain PyTorch. Where a line there begins with
``if fast.``, the module named computes what the lines below say, for tensors to which it
``applies``: those on a CPU, in full precision, without tangents, large enough to pay (``borders``
and nearest neighbour in ``decoder`` on a GPU too). ``forced(True)`` lets all apply whatever the
sizes, ``forced(False)`` none; tests/networks/fast compares both in value and gradient.

=================  ================================================================================
``borders``        mirrored borders
``few_filters``    convolutions to few filters
``pointwise``      convolutions of 1 x 1
``activation``     batch norm and LeakyReLU
``decoder``        a level's way up, without the upsampled image
``level_end``      what follows the 3 x 3 convolution there, a slice at a time
``cuda_graph``     all kernels of a network launched at once by a GPU
=================  ================================================================================

To do without, delete this folder and its tests, those lines with the returns below them, the
task's option ``cuda_graph``, and what calls a network by ``launch`` in ``internal_learning``.
"""

from restoration.networks.fast import (
    activation,
    borders,
    cuda_graph,
    decoder,
    few_filters,
    pointwise,
)
from restoration.networks.fast.switch import forced

__all__ = [
    "activation",
    "borders",
    "cuda_graph",
    "decoder",
    "few_filters",
    "forced",
    "pointwise",
]
