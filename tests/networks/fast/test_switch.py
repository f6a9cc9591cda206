"""Where fast paths are taken."""

import threading

import torch
from torch.autograd import forward_ad

from restoration.networks.fast.switch import forced, is_dual, is_plain, pays


def test_what_is_forced_holds_within_its_block_and_thread():
    seen = []
    with forced(True):
        assert pays(False)
        with forced(False):
            assert not pays(True)
        assert pays(False)
        thread = threading.Thread(target=lambda: seen.append((pays(True), pays(False))))
        thread.start()
        thread.join()
    assert seen == [(True, False)]
    assert pays(True)
    assert not pays(False)


def test_tangents_other_devices_and_reduced_precision_are_not_plain():
    x = torch.zeros(2)
    assert is_plain(x)
    assert not is_plain(x.to("meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_plain(x)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.ones(2))
        assert is_dual(dual)
        assert not is_plain(dual)
        assert not is_dual(x)
