"""The pictures of the demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator

from digits import Digits
from sunspots import Sunspots

BLUE, ORANGE, RED, GREY, INK = "#2f6fde", "#e8702a", "#d1293d", "#9aa1ad", "#30343b"
GRID_ROWS, GRID_COLUMNS = 4, 15


def _tidy(axes: Any, title: str, x_label: str, y_label: str = "") -> None:
    axes.set_title(title, color=INK, fontsize=11, loc="left")
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    axes.grid(True, color="#e4e7ec", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b9bec7")
    axes.tick_params(colors=INK, labelsize=9)


def draw_digits(digits: Digits, path: Path) -> None:
    """The curves of the training, and held-out scans with what the network read: mistakes first, in red."""
    figure = plt.figure(figsize=(12, 8), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.15])
    for axes, name, title in zip(top.subplots(1, 2), ("loss", "accuracy"), ("Loss", "Accuracy")):
        for key, label, color in ((name, "training", BLUE), (f"val_{name}", "held out", ORANGE)):
            values = digits.curves[key]
            axes.plot(range(1, len(values) + 1), values, color=color, linewidth=1.8, label=label)
        _tidy(axes, title, "epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False)

    wrong = digits.predicted != digits.labels
    mistakes = np.flatnonzero(wrong)
    order = np.concatenate([mistakes, np.flatnonzero(~wrong)])
    bottom.suptitle(
        f"{len(digits.labels)} held-out scans, {digits.accuracy:.2%} read correctly; mistakes, in red: {len(mistakes)}",
        color=INK,
        fontsize=11,
    )
    grid = bottom.subplots(GRID_ROWS, GRID_COLUMNS)
    for axes, index in zip(grid.flat, order):
        axes.imshow(digits.images[index, :, :, 0], cmap="gray_r", vmin=0, vmax=1)
        axes.set_xticks([])
        axes.set_yticks([])
        if wrong[index]:
            axes.set_title(f"{digits.predicted[index]}, is {digits.labels[index]}", color=RED, fontsize=9, pad=2)
            axes.spines[:].set(color=RED, linewidth=2)
        else:
            axes.set_title(str(digits.predicted[index]), color=INK, fontsize=9, pad=2)
            axes.spines[:].set_color("#d5d9e0")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_sunspots(sunspots: Sunspots, path: Path) -> None:
    """The whole series, and the held-out years with the forecasts."""
    figure, (whole, held_out) = plt.subplots(2, 1, figsize=(12, 8), layout="constrained", height_ratios=[1, 1.6])
    years, counts, first = sunspots.years, sunspots.counts, sunspots.first_held_out
    whole.plot(years, counts, color=INK, linewidth=1.1)
    whole.axvspan(years[first] - 0.5, years[-1] + 0.5, color=BLUE, alpha=0.1, label="held out")
    whole.set_xlim(years[0], years[-1] + 1)
    _tidy(whole, f"Yearly sunspots, {years[0]} to {years[-1]}", "year", "sunspot number")
    whole.legend(frameon=False, loc="upper left")

    shown = years[first:]
    held_out.plot(shown, counts[first:], color=INK, linewidth=1.4, marker="o", markersize=4, label="truth")
    held_out.plot(
        shown, sunspots.forecast, color=BLUE, linewidth=2, label=f"LSTM, one year ahead (RMSE {sunspots.rmse:.1f})"
    )
    held_out.plot(
        shown,
        sunspots.ar9_forecast,
        color=GREY,
        linewidth=1.3,
        linestyle="--",
        label=f"linear AR(9), least squares (RMSE {sunspots.ar9_rmse:.1f})",
    )
    held_out.set_xlim(shown[0] - 0.5, shown[-1] + 0.5)
    below = 1 - sunspots.rmse / sunspots.persistence_rmse
    persistence = f"“as last year” (RMSE {sunspots.persistence_rmse:.1f})"
    title = f"Held-out years: the LSTM's error is {below:.0%} below {persistence}"
    _tidy(held_out, title, "year", "sunspot number")
    held_out.legend(frameon=False, loc="upper right")
    figure.savefig(path, dpi=130)
    plt.close(figure)
