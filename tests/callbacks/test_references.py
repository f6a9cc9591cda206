"""References of blind rules: made once for the runs of a JPEG, anew for every other."""

from dataclasses import replace

import pytest
import torch

from restoration.callbacks import NearestEstimate, NearestReJPEG, references
from restoration.estimate.passes import first_estimate
from restoration.estimate.rejpeg import shifted_jpeg
from restoration.jpeg import compress


@pytest.fixture
def made(monkeypatch):
    """What is made instead of estimates and re-JPEGs, neither of which is remembered."""
    calls = []

    def make(*given, **_):
        calls.append(given)
        return torch.full((1, 1, 2, 2), float(len(calls)))

    for name in ("first_estimate", "shifted_jpeg"):
        monkeypatch.setattr(references, name, make)
    for latest in (references.ESTIMATE, references.REJPEG):
        monkeypatch.setattr(latest, "kept", None)
    return calls


@pytest.mark.parametrize("rule", [NearestEstimate, NearestReJPEG])
def test_runs_of_one_jpeg_share_the_reference(photo, made, rule):
    first, same = (compress(photo[:32, :48], 10) for _ in range(2))
    file = first.quantised
    one_more = file.coefficients[1].clone()
    one_more[0, 0, 3, 3] += 1
    files = [
        replace(file, coefficients=(file.coefficients[0], one_more, file.coefficients[2])),
        replace(file, tables=(file.tables[0] + 1, *file.tables[1:])),
        replace(file, width=file.width - 1),
        replace(file, sampling=((2, 1), (1, 1), (1, 1))),
        replace(file, widths=tuple(torch.ones_like(c) for c in file.coefficients)),
    ]
    others = [replace(first, quantised=other) for other in files]
    others.append(replace(first, pixels=255 - first.pixels))
    rules = [rule(), rule()]
    for one, jpeg in zip(rules, (first, same), strict=True):
        one.reference = one.make(jpeg)
    assert torch.equal(rules[0].reference, rules[1].reference)
    assert len(made) == 1
    for number, other in enumerate(others, 2):
        assert rule().make(other).flatten()[0] == number
    assert len(made) == 1 + len(others)


def test_references_are_those_of_their_makers(photo):
    jpeg = compress(photo[:32, :48], 10)
    assert torch.equal(NearestEstimate().make(jpeg), first_estimate(jpeg.quantised, passes=2))
    assert torch.equal(NearestReJPEG().make(jpeg), shifted_jpeg(jpeg))
