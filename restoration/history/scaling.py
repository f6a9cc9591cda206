"""Pictures that were made smaller or larger after a compression: how much, and by which filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, from_numpy

from restoration.jpeg.operator import BLOCK

SCALES = (0.48, 2.05)  # from the earlier size to that at hand
NEAREST = 0.02  # of 1: so little cannot be told from none
SHARPEST = 30.0  # levels: edges of things count no more than that
BEST = 40  # widths that are looked at together with heights
NEIGHBOURS = 21  # pixels whose median says what is usual about a place
FEWEST_EDGES = 8
LEAST_SCORE = 5.5  # of both axes; of 100 pictures that were never resized one exceeds it
# Half of the true size finds half of the edges, twice the size puts as many beside them: both score
# 0.71 of it. Beside a file's own grid half of the size may score higher than the size itself.
TWICE = 0.78


def cubic(x: NDArray) -> NDArray:
    """Cubic convolution with a = -1/2 (Keys 1981)."""
    x = np.abs(x)
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def lanczos(x: NDArray) -> NDArray:
    """sinc(x) sinc(x / 3), from -3 to 3."""
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


def triangle(x: NDArray) -> NDArray:
    """1 - abs(x), from -1 to 1: bilinear."""
    return np.maximum(1 - np.abs(x), 0.0)


FILTERS: tuple[tuple[Callable[[NDArray], NDArray], float], ...] = (  # and half their widths
    (cubic, 2.0),
    (lanczos, 3.0),
    (triangle, 1.0),
)


def resizing(
    before: int, after: int, kernel: Callable[[NDArray], NDArray], support: float
) -> sparse.csr_array:
    """Tell how Pillow resizes along an axis: (after, before).

    The filter is as wide as a pixel of the coarser of the two.
    """
    ratio = before / after
    wide = max(ratio, 1.0)
    centre = (np.arange(after) + 0.5) * ratio
    reach = int(np.ceil(support * wide)) + 1
    places = np.floor(centre)[:, None].astype(int) + np.arange(-reach, reach + 1)
    inside = (places >= 0) & (places < before)
    weights = kernel((places + 0.5 - centre[:, None]) / wide) * inside
    weights /= weights.sum(1, keepdims=True)
    rows = np.repeat(np.arange(after), places.shape[1])
    some = weights.ravel() != 0
    matrix = (weights.ravel()[some].astype(np.float32), (rows[some], places.ravel()[some]))
    return sparse.csr_array(matrix, (after, before))


@dataclass(frozen=True)
class Scaling:
    """How a picture was resized.

    Attributes:
        before: its earlier height and width.
        after: those at hand.
        filter: index into ``FILTERS``.
    """

    before: tuple[int, int]
    after: tuple[int, int]
    filter: int

    def along(self, axis: int) -> sparse.csr_array:
        """Tell how it was resized along an axis, (after, before)."""
        return resizing(self.before[axis], self.after[axis], *FILTERS[self.filter])

    def onwards(self, image: Tensor) -> Tensor:
        """Resize an image, (1, C, H0, W0) -> (1, C, H, W)."""
        down, across = self.along(0), self.along(1)
        planes = [across @ (down @ plane.numpy()).T for plane in image[0].float().cpu()]
        return from_numpy(np.stack([plane.T for plane in planes]))[None].to(image.device)

    def __str__(self) -> str:
        return f"resized to {100 * self.after[0] / self.before[0]:.0f} %"


def blockiness(plane: NDArray, own: bool) -> NDArray:
    """Tell how much sharper than usual the step behind each column is, about -1 to 1.

    Args:
        plane: (H, W), levels.
        own: whether a grid of the picture's own is to be left out.

    Returns:
        (W - 1,).
    """
    third = plane[:, 3:] - 3 * plane[:, 2:-1] + 3 * plane[:, 1:-2] - plane[:, :-3]
    sharp = np.minimum(np.abs(third), SHARPEST).mean(0)
    sharp = np.pad(sharp, 1, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(sharp, NEIGHBOURS // 2, mode="reflect"), NEIGHBOURS
    )
    result: NDArray = np.clip(sharp / np.maximum(np.median(around, axis=1), 1e-3) - 1, -1, 1)
    for place in range(BLOCK if own else 1):
        result[place :: BLOCK if own else 1] -= result[place :: BLOCK if own else 1].mean()
    return result


def scores_of(sharp: NDArray, sizes: NDArray) -> NDArray:
    """Tell how well edges of blocks lie where each earlier size puts them, in deviations.

    Args:
        sharp: from ``blockiness``, (W - 1,).
        sizes: W0, earlier sizes; their edges lie at 8 k W / W0.
    """
    size = len(sharp) + 1
    deviation = sharp.std() + 1e-9
    result = np.zeros(len(sizes))
    for i, before in enumerate(sizes):
        edges = np.arange(BLOCK, before, BLOCK) * (size / before) - 1
        edges = edges[(edges >= 2) & (edges <= size - 4)]
        if len(edges) >= FEWEST_EDGES:
            found = np.interp(edges, np.arange(size - 1), sharp)
            result[i] = found.mean() / deviation * np.sqrt(len(edges))
    return result


def earlier_sizes(plane: NDArray, own: bool) -> tuple[tuple[int, int], float]:
    """Find the size of most evident earlier blocks: ((height, width), score).

    Both axes were resized alike, but for rounding to whole pixels.

    Args:
        plane: (H, W), levels.
        own: whether the picture has a grid of its own.
    """
    H, W = plane.shape
    low, high = SCALES
    sizes, scores = [], []
    for plane_, size in ((plane.T, H), (plane, W)):
        some = np.arange(int(size / high), int(size / low) + 1)
        some = some[np.abs(some / size - 1) > NEAREST]
        sizes.append(some)
        scores.append(scores_of(blockiness(plane_, own), some))
    best, found = best_pair(sizes, scores, H / W)
    half = ((H + 1) // 2, (W + 1) // 2)
    if own and all(abs(b - h) <= 2 for b, h in zip(best, half, strict=True)):
        return half, found  # all edges lie in the file's own grid, where neighbours score as well
    if own:
        doubled = [some[np.abs(some - 2 * b) <= 2] for some, b in zip(sizes, best, strict=True)]
        if all(map(len, doubled)):
            chosen = [
                s[np.isin(some, d)] for some, s, d in zip(sizes, scores, doubled, strict=True)
            ]
            larger, score = best_pair(doubled, chosen, H / W)
            if score >= TWICE * found:
                return larger, score
    return best, found


def best_pair(
    sizes: Sequence[NDArray], scores: Sequence[NDArray], aspect: float
) -> tuple[tuple[int, int], float]:
    """Find the height and width of one shape that score best together.

    Args:
        sizes: of both axes.
        scores: of each.
        aspect: height by width of the picture at hand.

    Returns:
        The pair, and its score; (0, 0) and -inf where none has the shape.
    """
    best, found = (0, 0), -np.inf
    for k in np.argsort(-scores[1])[:BEST]:
        width = sizes[1][k]
        alike = np.abs(sizes[0] - width * aspect) <= 0.5 + aspect
        if not alike.any():
            continue
        row = int(np.argmax(np.where(alike, scores[0], -np.inf)))
        total = float(scores[1][k] + scores[0][row])
        if total > found:
            best, found = (int(sizes[0][row]), int(width)), total
    return best, found
