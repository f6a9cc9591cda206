"""What runs left is read, packed, or named where it is damaged."""

import json
import zipfile
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from restoration.__main__ import main
from restoration.errors import RestorationError
from restoration.experiments.archive import pack, unpacked
from restoration.experiments.results import read_records
from restoration.run_folder import is_finished


def test_no_runs_and_damaged_runs_are_told(runs, tmp_path, capsys):
    assert main(["report", str(tmp_path / "none"), "-o", str(tmp_path / "out")]) == 1
    assert "there is no folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["report", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]) == 1
    assert "no finished runs" in capsys.readouterr().err
    before = len(read_records(runs)[0])
    (runs / "a-sure-None-True/result.json").write_text("{")
    records, missing = read_records(runs)
    assert len(records) == before - 1
    assert len(missing) == 1
    assert "a-sure-None-True: result.json is damaged" in missing[0]
    assert not is_finished(runs / "a-sure-None-True")  # the next sweep does it anew


@pytest.mark.parametrize(
    "lacking",
    [{"best": None}, {"jpeg": {"psnr": None, "ms_ssim": None}}, {"curves": "step,psnr\n10,\n"}],
)
def test_a_run_that_measured_too_little_is_named(runs, tmp_path, lacking):
    """Fewer steps than are measured after, say, or a JPEG that lost nothing."""
    file = runs / "a-sure-None-True/result.json"
    if "curves" in lacking:
        (file.parent / "curves.csv").write_text(lacking["curves"])
    file.write_text(json.dumps(json.loads(file.read_text()) | lacking))
    assert main(["report", str(runs), "-o", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out/report.md").read_text()
    assert "a-sure-None-True: measured nothing" in text


RESULTS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["psnr", "step"]), x),
    max_leaves=4,
)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    result=st.dictionaries(st.sampled_from(["jpeg", "steps", "smoothed", "size", "x"]), RESULTS),
    labels=st.dictionaries(st.sampled_from(["image", "seed", "quality", "loss", "x"]), RESULTS),
    curves=st.text("step,psnr\n0123.-", max_size=20),
)
def test_any_run_is_read_or_named(runs, result, labels, curves):
    """Whatever lies in the files of one run, the others are reported."""
    folder, whole = runs / "a-sure-None-True", len(list(runs.iterdir()))
    for name, content in (("result", result), ("run", {"labels": labels})):
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "curves.csv").write_text(curves)
    records, missing = read_records(runs)
    assert len(records) + len(missing) == whole
    assert not any("\n" in line for line in missing)


def test_packed_runs_make_the_same_report(runs, tmp_path):
    folders = sorted(folder for folder in runs.iterdir())
    Image.new("RGB", (48, 16)).save(folders[0] / "comparison.png")
    result = json.loads((folders[0] / "result.json").read_text())
    (folders[0] / "result.json").write_text(json.dumps(result | {"image": "/far/away/a.png"}))
    packed = tmp_path / "runs.zip"
    assert main(["report", str(runs), "-o", str(tmp_path / "one"), "--pack", str(packed)]) == 0
    assert main(["report", str(packed), "-o", str(tmp_path / "two")]) == 0
    made = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert {"report.md", "tables1and2.csv", "claims.csv"} < set(made)
    for name in made:
        if name.endswith((".md", ".csv")):
            one, other = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
            assert other == one, name
    assert b"/far/away" not in packed.read_bytes()
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "again")
    names = {path.name for path in (tmp_path / "again").iterdir()}
    assert names == {folder.name for folder in folders}
    assert all(is_finished(folder) for folder in (tmp_path / "again").iterdir())
    before = packed.read_bytes()
    main(["report", str(packed), "-o", str(tmp_path / "two"), "--pack", str(packed)])
    assert packed.read_bytes() == before


def test_a_missing_or_damaged_pack_is_told(tmp_path, capsys):
    assert main(["report", str(tmp_path / "runs.zip"), "-o", str(tmp_path / "out")]) == 1
    assert "there is no file" in capsys.readouterr().err
    (tmp_path / "runs.zip").write_bytes(b"PK no")
    assert main(["report", str(tmp_path / "runs.zip"), "-o", str(tmp_path / "out")]) == 1
    assert "is no ZIP file of runs" in capsys.readouterr().err


def test_a_pack_with_any_byte_wrong_is_told_or_read(runs, tmp_path):
    """Deflated data that is damaged raises errors of its own."""
    packed, damaged = tmp_path / "runs.zip", tmp_path / "damaged.zip"
    pack(read_records(runs)[0], runs, packed)
    whole = packed.read_bytes()
    for place in range(0, len(whole), 101):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with suppress(RestorationError), unpacked(damaged):
            pass
