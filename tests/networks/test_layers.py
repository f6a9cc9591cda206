"""Layers against NumPy's."""

import numpy as np
import pytest

from restoration.networks.layers import mirror_indices


@pytest.mark.parametrize(
    ("size", "before", "after"), [(5, 2, 3), (16, 24, 24), (3, 7, 11), (1, 2, 2)]
)
def test_mirror_indices_are_numpys_reflect(size, before, after):
    expected = np.pad(np.arange(size), (before, after), mode="reflect")
    np.testing.assert_array_equal(mirror_indices(size, before, after), expected)
