"""The command ``fit``, in process: what it writes, against a plain loop and against the files."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from filelock import FileLock
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from restoration import cli
from restoration.__main__ import main
from restoration.callbacks import NearestReJPEG
from restoration.errors import DivergenceError, RestorationError
from restoration.jpeg import compress
from restoration.losses import MSE
from restoration.networks import Hourglass
from restoration.task import DeepImagePrior

SMALL = ["fit", "--config", "configs/quickstart.yaml", "--data.crop", "64"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["restoration"])


@pytest.fixture(autouse=True)
def libraries_may_warn():
    """LightningCLI 2.6 calls functions of jsonargparse that are deprecated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
        yield


def run(tmp_path, *arguments, name="coffee-q10"):
    assert main([*SMALL, *arguments]) == 0
    folder = max((tmp_path / "lightning_logs" / name).iterdir())
    return folder, json.loads((folder / "result.json").read_text())


def picture(file) -> Image.Image:
    with Image.open(file) as image:
        return image.copy()


def rows_of(folder):
    with open(folder / "curves.csv") as file:
        return list(csv.DictReader(file))


def test_fit_is_the_published_loop(tmp_path, photo):
    """Bit-equal loss and parameters, and the same image, after 25 steps of a loop written out."""
    crop = photo[64:128, 64:128]
    target = torch.from_numpy(compress(crop, 10).pixels).permute(2, 0, 1)[None].float() / 255
    z = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(7)) * 0.1
    noise = torch.Generator().manual_seed(7 + 1)
    torch.manual_seed(7)
    net = Hourglass()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, fused=True)
    losses, average = [], None
    for _ in range(25):
        optimizer.zero_grad()
        output = net(torch.randn(z.shape, generator=noise) * (1 / 30) + z)
        loss = F.mse_loss(output, target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        x = output.detach()
        average = x if average is None else 0.99 * average + 0.01 * x

    folder, result = run(
        tmp_path,
        "--seed_everything",
        "7",
        "--result.shrink",
        "null",
        "--trainer.max_steps",
        "25",
        "--curves.every",
        "1",
    )

    rows = rows_of(folder)  # digits that tell numbers of single precision apart: the same bits
    assert np.array_equal(np.float32([row["loss"] for row in rows]), np.float32(losses))
    state = torch.load(folder / "last.ckpt", weights_only=True)
    for name, value in net.state_dict().items():
        assert torch.equal(state["state_dict"][f"net.{name}"], value)
    written = np.array(picture(folder / "restored.png"))
    expected = (average[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.abs(written.astype(int) - expected).max() <= 1  # a half may round either way
    assert (written == expected).mean() > 0.999
    assert result["seed"] == 7


def test_the_result_file_states_what_the_files_show(tmp_path, photo):
    folder, result = run(tmp_path, "--trainer.max_steps", "45", "--data.crop", "192")
    jpeg = io.BytesIO()
    Image.fromarray(photo).save(jpeg, format="JPEG", quality=10)

    def file_psnr(file):
        return peak_signal_noise_ratio(photo, np.array(picture(file)))

    assert result["jpeg"]["psnr"] == pytest.approx(file_psnr(jpeg), abs=1e-4)
    restored, best = folder / "restored.png", folder / "best.png"
    assert result["projected"]["psnr"] == pytest.approx(file_psnr(restored), abs=1e-4)
    assert result["best"]["psnr"] == pytest.approx(file_psnr(best), abs=1e-4)
    assert 0 < result["smoothed"]["ms_ssim"] < result["jpeg"]["ms_ssim"]
    rows = rows_of(folder)
    assert [row["step"] for row in rows] == ["10", "20", "30", "40"]
    smoothed = [float(row["psnr_smoothed"]) for row in rows]
    assert result["best"]["psnr"] == pytest.approx(max(smoothed), abs=1e-4)
    assert result["best"]["step"] == 10 * (1 + int(np.argmax(smoothed)))
    assert result["steps"] == 45
    assert result["quality"] == 10
    assert result["net"].startswith("Hourglass(filters=[8, 16, 32, 64, 128]")
    assert result["parameters"] == 572_827
    assert result["loss"] == "MSE()"
    assert result["device"] == "cpu"
    assert result["seconds"] > 0
    assert result["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_a_jpeg_without_truth_is_restored_upright_and_scored_nowhere(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(photo[:48, :80]).save("photo.jpg", quality=10, exif=exif)
    arguments = ["fit", "--config", "configs/base.yaml", "--config", "configs/net/low.yaml"]
    arguments += ["--config", "configs/loss/mse.yaml", "--data.image", "photo.jpg"]
    assert main([*arguments, "--trainer.max_steps", "3"]) == 0
    folder = tmp_path / "lightning_logs" / "photo" / "version_0"
    result = json.loads((folder / "result.json").read_text())
    assert picture(folder / "restored.png").size == (48, 80)
    assert result["size"] == [80, 48]
    assert [result[k] for k in ("jpeg", "final", "smoothed", "best", "quality")] == [None] * 5
    assert not (folder / "best.png").exists()


def test_a_grey_jpeg_stays_grey(tmp_path, photo):
    Image.fromarray(photo[:64, :64]).convert("L").save("grey.jpg", quality=10)
    arguments = ["--config", "configs/base.yaml", "--config", "configs/net/low.yaml"]
    arguments += ["--config", "configs/loss/mse.yaml", "--data.image", "grey.jpg"]
    assert main(["fit", *arguments, "--trainer.max_steps", "3"]) == 0
    assert picture("lightning_logs/grey/version_0/restored.png").mode == "L"


def test_tensorboard_gets_scalars_and_pictures(tmp_path):
    folder, result = run(
        tmp_path, "--trainer.max_steps", "20", "--images.every", "10", "--data.crop", "192"
    )
    events = EventAccumulator(str(folder))
    events.Reload()
    assert events.Tags()["images"] == [
        f"images/{n}" for n in ("jpeg", "truth", "output", "smoothed", "projected")
    ]
    assert [e.step for e in events.Images("images/smoothed")] == [1, 10, 20]
    last = events.Scalars("quality/psnr_smoothed")[-1]
    assert (last.step, last.value) == (20, pytest.approx(result["smoothed"]["psnr"], abs=1e-4))
    assert "train/loss" in events.Tags()["scalars"]


def test_each_run_has_a_folder_and_a_config_of_its_own(tmp_path):
    first, _ = run(tmp_path, "--trainer.max_steps", "1")
    second, _ = run(tmp_path, "--trainer.max_steps", "1")
    assert (first.name, second.name) == ("version_0", "version_1")
    named, _ = run(tmp_path, "--trainer.max_steps", "1", "--name", "mine", name="mine")
    again = main(["fit", "--config", str(named / "config.yaml")])
    assert again == 0
    restored = [(f / "restored.png").read_bytes() for f in sorted(named.parent.iterdir())]
    assert restored[0] == restored[1]


def test_noise_free_input_makes_a_fixed_function(tmp_path):
    """Without perturbation and learning, each step gives the same loss."""
    folder, _ = run(
        tmp_path,
        *("--trainer.max_steps", "4", "--curves.every", "1", "--model.perturbation", "0"),
        *("--model.optimizer.lr", "0"),
    )
    assert len({row["loss"] for row in rows_of(folder)}) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data.image", "nowhere.jpg"], "cannot read nowhere.jpg: No such file or directory"),
        (["--data.quality", "null"], "is a PNG, not a JPEG"),
        (["--data.quality", "500"], "must lie within 1 to 100, not 500"),
        (["--smoothing.decay", "2"], "[0, 1)"),
        (["--checkpoint.every", "0"], "checkpoint.every must be at least 1 step, not 0"),
        (["--curves.every", "0"], "curves.every must be at least 1"),
        (["--curves.flush_every", "0"], "curves.flush_every must be at least 1"),
        (["--quality.ms_ssim_every", "-3"], "quality.ms_ssim_every must be at least 1"),
        (["--seed_everything", "-1"], "--seed_everything must lie within 0 and 4294967295"),
        (["--seed_everything", "4294967296"], "--seed_everything must lie within 0"),
        (["--trainer.default_root_dir", "file"], "cannot write runs to file/lightning_logs"),
        (["--trainer.max_steps", "-1"], "--trainer.max_steps 2400"),
        (["--trainer.max_epochs", "2"], "give --trainer.max_steps instead of max_epochs"),
        (["--trainer.accumulate_grad_batches", "2"], "every step has its own gradient"),
        (["--trainer.fast_dev_run", "true"], "--trainer.fast_dev_run would leave no result"),
        (["--trainer.barebones", "true"], "--trainer.barebones would leave no result"),
        (["--trainer.limit_train_batches", "0"], "leaves no step to do"),
        (["--data.image", "[]"], "data.image must not be empty"),
        (["--data.input.depth", "0"], "depth must be at least 1, not 0"),
        (["--result.shrink", "7"], "result.shrink must lie in [0, 1] or be null, not 7"),
        (
            ["--config", "configs/loss/kl_q_mse.yaml", "--model.loss.weight", ".nan"],
            "the weight must be a number, not nan",
        ),
        (
            ["--config", "configs/loss/kl_q_mse.yaml", "--model.loss.kl.weights", "[]"],
            "channel weights must not be negative nor all zero",
        ),
        (["--trainer.precision", "64-true"], "--trainer.precision 64-true would change the image"),
        (["--config", "latin.yaml"], "latin.yaml is no text in UTF-8"),
        (
            ["--trainer.precision", "bf16-mixed", "--trainer.gradient_clip_val", "1"],
            "--trainer.gradient_clip_val goes with precision 32-true",
        ),
    ],
)
def test_unusable_input_is_one_line_and_exit_code_1(tmp_path, capsys, arguments, message):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "latin.yaml").write_text("# für", encoding="latin-1")
    assert main([*SMALL[:3], *arguments]) == 1
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (tmp_path / "lightning_logs").exists()


def test_unusable_checkpoints_are_one_line_and_exit_code_1(tmp_path, capsys):
    folder, _ = run(tmp_path, "--trainer.max_steps", "2")
    last = str(folder / "last.ckpt")
    (tmp_path / "damaged.ckpt").write_bytes((folder / "last.ckpt").read_bytes()[:5000])
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    torch.save({"code": Malicious()}, tmp_path / "code.ckpt")
    (tmp_path / "text.ckpt").write_text("hello")
    capsys.readouterr()
    for arguments, message in (
        (["--ckpt_path", "nowhere.ckpt"], "there is no checkpoint nowhere.ckpt"),
        (["--ckpt_path", "damaged.ckpt"], "damaged.ckpt is damaged"),
        (["--ckpt_path", "text.ckpt"], "text.ckpt is damaged or no checkpoint"),
        (["--ckpt_path", "list.ckpt"], "list.ckpt is not a checkpoint of this program"),
        (["--ckpt_path", "code.ckpt"], "code.ckpt holds a getattr"),
        (["--ckpt_path", "code.ckpt", "--weights_only", "false"], "code.ckpt holds a"),
        (["--ckpt_path", "http://localhost/a.ckpt"], "a checkpoint must be a file"),
        (["--ckpt_path", "foreign.ckpt"], "foreign.ckpt is not a checkpoint of this program"),
        (["--ckpt_path", last, "--model.net.skips", "[0, 0, 0, 0, 0]"], "another network"),
        (["--ckpt_path", last, "--data.crop", "32"], "another image"),
        (["--ckpt_path", last, "--model.optimizer.lr", "0.5"], "optimiser has other settings"),
        (
            ["--ckpt_path", last, "--seed_everything", "7"],
            "another --data.input or --seed_everything",
        ),
        (["--ckpt_path", last, "--data.input.scale", "0.2"], "another --data.input"),
    ):
        assert main([*SMALL, "--trainer.max_steps", "4", *arguments]) == 1
        error = capsys.readouterr().err.strip()
        assert message in error
        assert "\n" not in error


def test_lack_of_memory_is_one_line_and_other_errors_are_themselves(capsys, monkeypatch):
    def raising(message):
        def fail(*arguments, **options):
            raise RuntimeError(message)

        monkeypatch.setattr("restoration.cli.FitCLI", fail)

    raising("CUDA out of memory. Tried to allocate 20.00 GiB")
    assert main(SMALL) == 1
    assert "the memory does not suffice; close other programs, or take configs/net/low.yaml" in (
        capsys.readouterr().err
    )
    raising("CUDA error: an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal memory access"):
        main(SMALL)


class Malicious:
    """What a pickle would run when it is loaded."""

    def __reduce__(self):
        return (Path.touch, (Path("run.by.a.checkpoint"),))


def test_no_checkpoint_runs_code(tmp_path):
    assert not (tmp_path / "run.by.a.checkpoint").exists()
    torch.save({"code": Malicious()}, tmp_path / "code.ckpt")
    assert main([*SMALL, "--trainer.max_steps", "2", "--ckpt_path", "code.ckpt"]) == 1
    assert not (tmp_path / "run.by.a.checkpoint").exists()


@pytest.mark.parametrize("rate", ["1e38", "1e30"])
def test_a_run_that_diverges_says_so_and_writes_no_black_image(tmp_path, capsys, rate):
    assert main([*SMALL, "--trainer.max_steps", "20", "--model.optimizer.lr", rate]) == 1
    error = capsys.readouterr().err.strip()
    assert "a smaller learning rate may help" in error or "refuses its settings" in error
    assert "Traceback" not in error
    (folder,) = (tmp_path / "lightning_logs").glob("*/version_0")
    assert not (folder / "result.json").exists()
    assert not (folder / "restored.png").exists()
    if "smaller learning rate" in error:  # and the curves show the way there
        assert not np.isfinite(float(rows_of(folder)[-1]["loss"]))


def test_an_impossible_rate_is_one_line(capsys):
    assert main([*SMALL, "--trainer.max_steps", "2", "--model.optimizer.lr", "-1"]) == 1
    assert capsys.readouterr().err.strip().count("\n") == 0


def test_a_checkpoint_loads_without_a_trainer(tmp_path):
    folder, _ = run(tmp_path, "--trainer.max_steps", "3")
    task = DeepImagePrior.load_from_checkpoint(folder / "last.ckpt")
    saved = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    assert task.net.state_dict().keys() == {k.removeprefix("net.") for k in saved}
    for name, value in task.net.state_dict().items():
        assert torch.equal(value, saved[f"net.{name}"])
    output = task.net(torch.rand(1, 3, 64, 64))
    assert 0 < output.min() < output.max() < 1


def test_last_goes_on_with_the_same_run_only(tmp_path, capsys):
    first, before = run(tmp_path, "--trainer.max_steps", "6")
    second, other = run(
        tmp_path, "--trainer.max_steps", "6", "--seed_everything", "5", "--ckpt_path", "last"
    )
    assert "starting anew" in capsys.readouterr().err
    assert (first.name, second.name, other["seed"]) == ("version_0", "version_1", 5)
    assert json.loads((first / "result.json").read_text()) == before
    assert main([*SMALL, "--trainer.max_steps", "9", "--ckpt_path", "last"]) == 0
    longer = json.loads((first / "result.json").read_text())
    assert (longer["steps"], longer["seed"]) == (9, 0)
    other = ["--folder", str(first), "--ckpt_path", "last", "--trainer.precision", "bf16-mixed"]
    assert main([*SMALL, "--trainer.max_steps", "9", *other]) == 1
    assert "holds a run of another configuration" in capsys.readouterr().err
    assert json.loads((first / "result.json").read_text()) == longer
    # the configuration makes the run anew; it does not go on with this one, nor in its place
    config = yaml.safe_load((first / "config.yaml").read_text())
    assert (config["ckpt_path"], config["folder"]) == (None, None)


def test_no_run_begins_where_another_is_or_was(tmp_path, capsys):
    """Its checkpoint would be taken for that of the new run, and its pictures for the result."""
    here = [*SMALL, "--trainer.max_steps", "4", "--folder", "mine"]
    assert main(here) == 0
    before = {path.name: path.read_bytes() for path in Path("mine").iterdir() if path.is_file()}
    capsys.readouterr()
    assert main([*here, "--seed_everything", "5"]) == 1
    assert "mine holds a run (last.ckpt): go on with --ckpt_path last" in capsys.readouterr().err
    with FileLock("mine/run.lock"):
        assert main([*here, "--ckpt_path", "last", "--trainer.max_steps", "9"]) == 1
    assert "another process works in mine" in capsys.readouterr().err
    for name, content in before.items():
        assert Path("mine", name).read_bytes() == content, name
    assert main([*here, "--ckpt_path", "last", "--trainer.max_steps", "9"]) == 0


def test_the_settings_are_written_whole_or_not_at_all(monkeypatch, capsys):
    """A full disk must not cost the run that ``last`` looks for."""
    here = [*SMALL, "--trainer.max_steps", "2", "--folder", "mine"]
    assert main(here) == 0
    before = Path("mine/config.yaml").read_bytes()

    def full(path, content):
        raise RestorationError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr("restoration.run_lock.write_atomically", full)
    assert main([*here, "--trainer.max_steps", "4", "--ckpt_path", "last"]) == 1
    assert "config.yaml: No space left" in capsys.readouterr().err
    assert Path("mine/config.yaml").read_bytes() == before


def test_a_checkpoint_of_an_earlier_version_goes_on():
    """It knows no state of the global generator."""
    here = [*SMALL, "--folder", "mine", "--trainer.max_steps"]
    assert main([*here, "3"]) == 0
    checkpoint = torch.load("mine/last.ckpt", weights_only=True)
    del checkpoint["global_generator"]
    torch.save(checkpoint, "mine/last.ckpt")
    assert main([*here, "5", "--ckpt_path", "last"]) == 0
    assert json.loads(Path("mine/result.json").read_text())["steps"] == 5


class Drops(nn.Sequential):
    """A network that draws from the global generator."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1), nn.Dropout2d(), nn.Sigmoid())


class Kind(Enum):
    SQUARED = "squared"


class OfAKind(MSE):
    """A loss with an argument that is no plain value."""

    def __init__(self, kind: Kind = Kind.SQUARED, table: Path = Path("x.npy")) -> None:
        super().__init__()


def test_a_run_of_own_parts_goes_on_to_the_same_end(tmp_path):
    own = ["--config", "configs/quickstart.yaml", "--data.crop", "64", "--checkpoint.every", "3"]
    own += ["--model.net", f"{__name__}.Drops", "--model.loss", f"{__name__}.OfAKind"]
    own += ["--trainer.enable_progress_bar", "false", "--data.steps_per_epoch", "4"]
    images = []
    for name, parts in (("whole", [8]), ("parts", [4, 8])):
        for steps in parts:
            command = ["fit", *own, "--folder", name, "--trainer.max_steps", str(steps)]
            command += ["--ckpt_path", "last"] if steps > parts[0] else []
            assert main(command) == 0
        images.append(Path(name, "restored.png").read_bytes())
    assert images[0] == images[1]


def test_a_finished_run_that_is_resumed_keeps_its_result(tmp_path):
    rule = ["--rules+=restoration.callbacks.NearestReJPEG", "--rules.begin", "1"]
    rule += ["--rules.every", "5", "--trainer.max_steps", "5"]
    folder, before = run(tmp_path, *rule)
    assert before["nearest_rejpeg"]["reference"]["psnr"] > before["jpeg"]["psnr"]
    assert main([*SMALL, *rule, "--ckpt_path", "last"]) == 0
    assert json.loads((folder / "result.json").read_text()) == before


@pytest.mark.parametrize("error", [OSError(28, "No space left"), RuntimeError("unexpected pos")])
def test_a_full_disk_is_one_line_and_exit_code_1(tmp_path, capsys, monkeypatch, error):
    def full(*arguments):
        raise error

    monkeypatch.setattr(torch, "save", full)
    assert main([*SMALL, "--trainer.max_steps", "2"]) == 1
    said = capsys.readouterr().err.strip()
    assert "last.ckpt" in said
    assert "\n" not in said


def test_ctrl_c_before_the_first_step_is_told(capsys, monkeypatch):
    def stopped(self, *arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(NearestReJPEG, "prepare", stopped)
    rule = ["--rules+=restoration.callbacks.NearestReJPEG"]
    assert main([*SMALL, *rule, "--trainer.max_steps", "2"]) == 130
    assert "stopped; nothing was saved" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_truth_changes_nothing_but_the_scores(tmp_path, photo):
    Image.fromarray(photo[:64, :64]).save("photo.jpg", quality=10)
    Image.fromarray(photo[:64, :64]).save("truth.png")
    arguments = ["--config", "configs/base.yaml", "--config", "configs/net/low.yaml"]
    arguments += ["--config", "configs/loss/kl_q_mse.yaml", "--data.image", "photo.jpg"]
    arguments += ["--trainer.max_steps", "20", "--curves.every", "1"]
    for name, extra in (("blind", []), ("seen", ["--data.truth", "truth.png"])):
        assert main(["fit", *arguments, "--name", name, *extra]) == 0
    blind, seen = (tmp_path / "lightning_logs" / n / "version_0" for n in ("blind", "seen"))
    assert (blind / "restored.png").read_bytes() == (seen / "restored.png").read_bytes()
    assert [r["loss"] for r in rows_of(blind)] == [r["loss"] for r in rows_of(seen)]
    assert not (blind / "best.png").exists()


def test_damaged_exif_costs_nothing(tmp_path, photo):
    Image.fromarray(photo[:32, :32]).save("photo.jpg", quality=10, exif=b"Exif\0\0not a TIFF file")
    arguments = ["--config", "configs/base.yaml", "--config", "configs/net/low.yaml"]
    arguments += ["--config", "configs/loss/mse.yaml", "--data.image", "photo.jpg"]
    assert main(["fit", *arguments, "--trainer.max_steps", "2"]) == 0
    assert picture("lightning_logs/photo/version_0/restored.png").size == (32, 32)


def test_mixed_precision_leaves_image_and_scores_in_float32(tmp_path):
    folder, result = run(tmp_path, "--trainer.max_steps", "1", "--trainer.precision", "bf16-mixed")
    # after one step, the smoothed image is the output itself
    assert result["final"] == result["smoothed"]
    state = torch.load(folder / "last.ckpt", weights_only=True)["callbacks"]
    assert state["OutputSmoothing"]["average"].dtype == torch.float32


def test_a_run_without_logger_stays_in_its_folder(tmp_path):
    (tmp_path / "config.yaml").write_text("mine")
    arguments = ["--trainer.max_steps", "2", "--trainer.logger", "false"]
    folder, _ = run(tmp_path, *arguments, "--trainer.enable_progress_bar", "false")
    assert (folder / "restored.png").exists()
    assert (tmp_path / "config.yaml").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.yaml", "lightning_logs"]


@pytest.mark.slow
def test_two_devices_share_one_image(tmp_path):
    """Through the console script, whose name the second process is started by."""
    script = Path(sys.executable).with_name("restoration")
    arguments = ["--trainer.max_steps", "12", "--curves.every", "1", "--trainer.accelerator", "cpu"]
    for devices in ("1", "2"):
        subprocess.run(
            [script, *SMALL, *arguments, "--trainer.devices", devices, "--name", devices],
            check=True,
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    one, two = (rows_of(tmp_path / "lightning_logs" / n / "version_0") for n in "12")
    assert len(list((tmp_path / "lightning_logs" / "2").iterdir())) == 1
    # the first rank's first loss is that of the single device; the second rank's noise then counts
    assert one[0]["loss"] == two[0]["loss"]
    assert one[-1]["loss"] != two[-1]["loss"]
    assert two[-1]["step"] == "12"


@pytest.mark.slow
def test_two_devices_take_an_image_each_and_exchange_nothing(tmp_path, photo):
    script = Path(sys.executable).with_name("restoration")
    Image.fromarray(photo[:64, :64]).save("a.png")
    Image.fromarray(photo[64:128, :64]).save("b.png")
    basis = ["fit", "--config", "configs/base.yaml", "--config", "configs/net/low.yaml"]
    basis += ["--config", "configs/loss/mse.yaml", "--data.quality", "10", "--data.image"]
    arguments = ["--trainer.max_steps", "12", "--trainer.accelerator", "cpu"]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = [*arguments, "--trainer.devices", "2"]
    done = subprocess.run(
        [script, *basis, "[a.png, b.png]", *both], check=False, capture_output=True, env=one_thread
    )
    assert done.returncode == 0, done.stderr
    for name in "ab":
        alone = [*arguments, "--name", f"{name}-alone"]
        command = [script, *basis, f"{name}.png", *alone]
        subprocess.run(command, check=True, capture_output=True, env=one_thread)
        one, other = (
            tmp_path / "lightning_logs" / n / "version_0" for n in (f"{name}-q10", f"{name}-alone")
        )
        for file in ("restored.png", "curves.csv"):
            assert (one / file).read_bytes() == (other / file).read_bytes()
        assert (one / "last.ckpt").exists()
        assert list(one.glob("events*"))
    failed = subprocess.run(  # for longer than Lightning would let it
        [script, *basis, "[a.png, missing.png]", *both, "--trainer.max_steps", "300"],
        check=False,
        capture_output=True,
        text=True,
        env=one_thread,
    )
    assert failed.returncode == 1
    assert "missing.png" in failed.stderr
    assert "the run of another image failed" in failed.stderr
    assert "Traceback" not in failed.stderr
    result = tmp_path / "lightning_logs/a-q10/version_1/result.json"
    assert json.loads(result.read_text())["steps"] == 300
    assert main([*basis, "[a.png, b.png]", *arguments]) == 1
    for steps, more in (("12", []), ("16", ["--ckpt_path", "last"])):  # under one name, too
        command = [script, *basis, "[a.png, b.png]", *both, "--name", "mine"]
        command += ["--trainer.max_steps", steps, *more]
        subprocess.run(command, check=True, capture_output=True, env=one_thread)
    for name in "ab":
        (result,) = (tmp_path / "lightning_logs/mine" / f"{name}-q10").glob("*/result.json")
        assert json.loads(result.read_text())["steps"] == 16


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_one_line_and_exit_code_1(capsys):
    assert main([*SMALL, "--trainer.accelerator", "gpu"]) == 1
    assert "gpu" in capsys.readouterr().err


def test_an_impossible_network_is_one_line_and_exit_code_1(capsys):
    assert main([*SMALL, "--model.net.init_args.skips", "[4]"]) == 1
    assert "5 filters, 1 skips" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data.imge", "a.jpg"], "unknown option --data.imge, did you mean --data.image?"),
        (["--trainer.max_steps", "many"], "trainer.max_steps"),
        (["--config", "missing.yaml"], "missing.yaml"),
        (["--model.loss", "NoSuchLoss"], "NoSuchLoss"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        main([*SMALL, *arguments])
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_the_command_without_arguments_explains_itself(capsys):
    assert main([]) == 2
    assert "restoration COMMAND" in capsys.readouterr().err
    assert main(["--help"]) == 0
    with pytest.raises(SystemExit) as stop:
        main(["fit"])
    assert stop.value.code == 2
    assert "restoration fit: error: " in capsys.readouterr().err
    assert main(["fitt"]) == 2
    assert "unknown command 'fitt'" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("checkpoints", [True, False])
def test_asked_to_end_it_keeps_what_was_restored(
    number, checkpoints, tmp_path, capsys, monkeypatch
):
    step = DeepImagePrior.training_step

    def interrupted(self, *given):
        if self.global_step == 3:
            os.kill(os.getpid(), number)
        return step(self, *given)

    monkeypatch.setattr(DeepImagePrior, "training_step", interrupted)
    more = ["--trainer.max_steps", "9", "--trainer.enable_checkpointing", str(checkpoints).lower()]
    assert main([*SMALL, *more, "--folder", str(tmp_path / "run")]) == 130
    said = capsys.readouterr().err
    assert "stopped after step 4 of 9" in said
    assert ("--ckpt_path last" if checkpoints else "enable_checkpointing is false") in said
    assert (tmp_path / "run" / "restored.png").exists()
    assert not (tmp_path / "run" / "result.json").exists()
    assert (tmp_path / "run" / "last.ckpt").exists() == checkpoints
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_was_measured_between_two_rows_is_kept(tmp_path):
    folder, _ = run(
        tmp_path, "--trainer.max_steps", "12", "--quality.every", "5", "--curves.every", "7"
    )
    rows = {int(row["step"]): row for row in rows_of(folder)}
    assert list(rows) == [5, 7, 10]
    assert [bool(row["psnr"]) for row in rows.values()] == [True, False, True]
    assert all(row["loss"] for row in rows.values())


def test_a_run_that_failed_leaves_the_process_as_it_was(monkeypatch):
    """The next run of a sweep would not use TF32 although it may."""

    def failing(*_, **__):
        torch.backends.cudnn.allow_tf32 = False
        raise DivergenceError("the loss is nan")

    monkeypatch.setattr(cli, "FitCLI", failing)
    monkeypatch.setattr("sys.argv", ["restoration"])
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with pytest.raises(DivergenceError):
        cli.fit([])
    assert torch.backends.cudnn.allow_tf32
