"""The command ``fit``, in process: what it writes, against a plain loop and against the files."""

import io
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from restoration.__main__ import main
from restoration.jpeg import compress
from restoration.networks import Hourglass
from tests.fits import rows_of, run

pytestmark = pytest.mark.usefixtures("empty_folder", "libraries_may_warn")


def picture(file) -> Image.Image:
    with Image.open(file) as image:
        return image.copy()


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
    folder, result = run(tmp_path, "--trainer.max_steps", "25", "--data.crop", "192")
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
    assert [row["step"] for row in rows] == ["10", "20"]
    smoothed = [float(row["psnr_smoothed"]) for row in rows]
    assert result["best"]["psnr"] == pytest.approx(max(smoothed), abs=1e-4)
    assert result["best"]["step"] == 10 * (1 + int(np.argmax(smoothed)))
    assert result["steps"] == 25
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


def test_noise_free_input_makes_a_fixed_function(tmp_path):
    """Without perturbation and learning, each step gives the same loss."""
    folder, _ = run(
        tmp_path,
        *("--trainer.max_steps", "4", "--curves.every", "1", "--model.perturbation", "0"),
        *("--model.optimizer.lr", "0"),
    )
    assert len({row["loss"] for row in rows_of(folder)}) == 1


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
