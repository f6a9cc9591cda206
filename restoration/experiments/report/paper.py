"""The paper's printed numbers: PSNR in dB and MS-SSIM, means over the 24 Kodak images."""

from __future__ import annotations

from statistics import fmean

LOSSES = ("mse", "sure", "kl_p_mse", "kl_q_mse", "kl_p_sure", "kl_q_sure")
TITLES = {
    "mse": "MSE",
    "sure": "SURE",
    "kl_p_mse": "P+MSE",
    "kl_q_mse": "Q+MSE",
    "kl_p_sure": "P+SURE",
    "kl_q_sure": "Q+SURE",
}

TABLE_3 = {10: (26.67, 0.894), 15: (28.14, 0.927), 25: (29.89, 0.956)}  # the JPEGs

_PRINTED = {
    ("high", 10): "27.20/.911 26.84/.899 27.20/.914 27.26/.914 26.82/.900 26.82/.900",
    ("high", 15): "28.01/.926 27.85/.922 28.34/.934 28.32/.933 27.84/.922 27.88/.922",
    ("high", 25): "28.75/.937 28.71/.938 29.31/.947 29.37/.947 28.76/.938 28.66/.938",
    ("medium", 10): "26.51/.892 25.55/.887 26.53/.892 26.54/.893 25.47/.887 25.52/.888",
    ("medium", 15): "26.76/.897 26.19/.905 27.12/.905 27.13/.905 26.26/.908 26.35/.908",
    ("medium", 25): "27.03/.901 26.62/.918 27.54/.913 27.47/.912 26.87/.919 26.88/.920",
    ("low", 10): "26.83/.901 23.66/.826 26.85/.901 26.83/.901 23.57/.824 23.64/.827",
    ("low", 15): "27.15/.908 23.59/.828 27.53/.916 27.52/.915 23.77/.829 23.87/.832",
    ("low", 25): "27.49/.912 23.77/.834 28.00/.925 27.98/.924 23.85/.833 24.01/.836",
}

# Tables 1 and 2: (network, quality, loss) -> (PSNR, MS-SSIM)
TABLES = {
    (network, quality, loss): tuple(float(number) for number in cell.split("/"))
    for (network, quality), row in _PRINTED.items()
    for loss, cell in zip(LOSSES, row.split(), strict=True)
}

LAMBDAS = (10.0, 100.0)
# Of Tables 1 and 2, dB: the paper's text has no figure for it
KL_BESIDE_SURE = fmean(
    TABLES[network, quality, f"kl_{term}_sure"][0] - TABLES[network, quality, "sure"][0]
    for network, quality in _PRINTED
    for term in "pq"
)
