import ctypes
import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from restoration.support.cpu_settings import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def step():
    blocks = [np.ones(5_000_000) for _ in range(4)]  # 40 MB each
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_a_second_step_finds_its_memory_mapped():
    keep, default = (
        int(subprocess.check_output([sys.executable, "-c", FAULTS, kind]))
        for kind in ("keep", "default")
    )
    pages = 160_000_000 // os.sysconf("SC_PAGESIZE")
    # kept pages fault no more; by default all do, huge ones 512 at a time
    assert keep < 20
    assert default > pages // 1000


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, ("PASSIVE", "1500")), ({"GOMP_SPINCOUNT": "7", "OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_wait_as_the_user_says_or_else_shortly(given, expected, monkeypatch):
    from restoration.support.cpu_settings import set_waiting

    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    for name in names:
        monkeypatch.setenv(name, "")  # put back at the end, whatever is set meanwhile
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    set_waiting()
    assert tuple(os.environ[n] for n in names) == (expected or tuple(given[n] for n in names))


def test_who_imports_the_package_gets_such_threads():
    program = """
import os, sys, restoration
before = "torch" in sys.modules or "GOMP_SPINCOUNT" in os.environ
restoration.restore
print(before, os.environ["GOMP_SPINCOUNT"])
"""
    bare = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    told = subprocess.check_output([sys.executable, "-c", program], env=bare, text=True)
    assert told.split() == ["False", "1500"]
