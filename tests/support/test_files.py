"""Files that are written whole: who may read them."""

import pytest

from restoration.errors import RestorationError
from restoration.support import files
from restoration.support.files import alone_in, atomic_file, write_atomically


def test_others_may_read_what_they_may_of_any_other_file(tmp_path):
    write_atomically(tmp_path / "a.png", b"a")
    (tmp_path / "b.png").write_bytes(b"b")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "b.png").stat().st_mode


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_the_umask_tells_who_may_read_a_file(tmp_path, monkeypatch, umask, mode):
    monkeypatch.setattr(files, "UMASK", umask)
    path = tmp_path / "a.png"
    write_atomically(path, b"first")
    assert path.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_a_file_that_is_replaced_is_for_those_whom_it_was_for(tmp_path, mode):
    path = tmp_path / "a.png"
    path.write_bytes(b"first")
    path.chmod(mode)
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == mode


def test_a_reason_without_a_number_is_told(tmp_path):
    """What NumPy says where the disk is full."""
    said = "3 requested and 0 written"
    with pytest.raises(RestorationError, match=said), atomic_file(tmp_path / "x.npy"):
        raise OSError(said)
    assert not list(tmp_path.iterdir())


def test_one_works_in_a_folder_at_a_time(tmp_path):
    def enter(folder):
        with alone_in(folder):
            pass

    with alone_in(tmp_path), pytest.raises(RestorationError, match="another process works in"):
        enter(tmp_path)
    enter(tmp_path)
    (tmp_path / "a file").touch()
    with pytest.raises(RestorationError, match="cannot write"):
        enter(tmp_path / "a file" / "folder")
