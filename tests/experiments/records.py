"""Runs for the tests of reports, whose curves are parabolas."""

import csv
import json

import numpy as np

STEPS = np.arange(10, 101, 10)


def write_run(
    folder,
    image,
    peak,
    height,
    loss="mse",
    weight=None,
    skips=True,
    rule=None,
    planned=None,
    **labels,
):
    """A run whose smoothed PSNR is a parabola of the step, ``height`` dB at ``peak``.

    The output itself lies 0.5 dB below; MS-SSIM, measured every 50 steps, is PSNR / 100.
    """
    labels |= {} if planned is None else {"steps": planned}
    name = "-".join(map(str, [image, loss, weight, skips, *labels.values()]))
    defaults = {"quality": 10, "network": "low", "reading": None, "seed": 0}
    axes = {"image": image, "skips": skips, "loss": loss, "weight": weight}
    labels = defaults | axes | labels
    run = folder / name
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"identity": run.name, "labels": labels}))
    curve = height - ((STEPS - peak) / 10) ** 2
    with open(run / "curves.csv", "w") as file:
        writer = csv.writer(file)
        columns = ["step", "loss", "psnr", "psnr_smoothed", "ms_ssim", "ms_ssim_smoothed"]
        writer.writerow(columns)
        for step, psnr in zip(STEPS, curve, strict=True):
            quality = ["", ""] if step % 50 else [psnr / 100 - 0.01, psnr / 100]
            writer.writerow([step, 1.0, psnr - 0.5, psnr, *quality])
    best = {"step": peak, "psnr": height, "ms_ssim": None}
    last = {"psnr": float(curve[-1]), "ms_ssim": None}
    result = {"image": f"{image}.png", "size": [16, 16], "steps": 100, "best": best}
    result |= {"jpeg": {"psnr": 25.0, "ms_ssim": 0.9, "chroma_psnr": 30.0}, "smoothed": last}
    result["projected"] = {**last, "chroma_psnr": 31.0, "ciede2000": 2.0}
    if rule is not None:
        result["nearest_estimate"] = {"step": rule, "psnr": height - ((rule - peak) / 10) ** 2}
        result["nearest_estimate"]["reference"] = {"psnr": height - 1, "chroma_psnr": 33.0}
        result["mine"] = {"title": "a rule of mine", **result["nearest_estimate"]}
        result["mine"]["reference"] = {"title": "a method of mine", "psnr": height - 2}
    if loss == "sure":  # its own rule, the paper's
        result["least_sure"] = {"title": "least SURE", "step": 90, "psnr": height - 2}
    (run / "result.json").write_text(json.dumps(result))
    return run


def rows_of(path):
    with open(path) as file:
        return list(csv.DictReader(file))
