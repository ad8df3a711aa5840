"""An LSTM forecasts the yearly number of sunspots, 1700 to 2008, one year ahead.

The LSTM sees the square roots of the last nine years, divided by the largest of the training years: the counts
vary more where they are high, and their square roots vary evenly. The settings were compared by the error on the
last fifty training years; scale and training know nothing of the held-out fifth.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import nnkit as nn
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

GOAL_BELOW_PERSISTENCE = 0.35

WINDOW_YEARS = 9

# Learning rate and epochs of the two stages of training.
STAGES = ((3e-3, 60), (5e-4, 40))

Series = NDArray[np.float64]


class Sunspots(NamedTuple):
    """What the training produced; forecasts and errors are those of the held-out years."""

    model: nn.Model
    years: NDArray[np.int64]
    counts: Series
    first_held_out: int
    inputs: NDArray[np.float32]
    forecast: Series
    ar9_forecast: Series
    rmse: float
    persistence_rmse: float
    ar9_rmse: float


def load_data() -> tuple[NDArray[np.int64], Series]:
    """Years and yearly mean sunspot numbers."""
    import statsmodels.api

    data: Any = statsmodels.api.datasets.sunspots.load_pandas().data
    return data["YEAR"].to_numpy().astype(np.int64), data["SUNACTIVITY"].to_numpy().astype(np.float64)


def windows(series: Series, length: int) -> Series:
    """Row `i` holds the `length` values before `series[length + i]`, oldest first."""
    return np.lib.stride_tricks.sliding_window_view(series, length)[:-1]


def root_mean_square(errors: Series) -> float:
    """√(mean of squares)."""
    return float(np.sqrt(np.mean(np.square(errors))))


def autoregression(counts: Series, first_held_out: int, order: int = 9) -> Series:
    """The held-out years' forecasts of a linear autoregression, fitted by least squares to the training years."""
    past = windows(counts, order)
    rows = np.column_stack([np.ones(len(past)), past])
    split = first_held_out - order
    coefficients = np.linalg.lstsq(rows[:split], counts[order:first_held_out], rcond=None)[0]
    return np.asarray(rows[split:] @ coefficients)


def train() -> Sunspots:
    """Trains on the first four fifths of the years and forecasts each of the rest from the nine before it."""
    years, counts = load_data()
    first_held_out = len(counts) - round(len(counts) / 5)
    roots = np.sqrt(counts)
    scale = roots[:first_held_out].max()
    scaled = (roots / scale).astype(np.float32)
    x = windows(scaled, WINDOW_YEARS)[..., None]
    y = scaled[WINDOW_YEARS:, None]
    split = first_held_out - WINDOW_YEARS

    model = nn.Sequential([nn.LSTM(16), nn.Dense(1)], input_shape=(WINDOW_YEARS, 1), seed=1, name="sunspots")
    model.summary()
    with tqdm(total=sum(epochs for _, epochs in STAGES), desc="Training", unit=" epoch") as bar:

        def show(report: nn.EpochReport) -> None:
            bar.set_postfix_str(f"loss {report.logs['loss']:.5f}", refresh=False)
            bar.update()

        for learning_rate, epochs in STAGES:
            model.compile(nn.Adam(learning_rate), loss="mean_squared_error", clip_norm=1)
            model.fit(x[:split], y[:split], epochs=epochs, batch_size=16, verbose=0, callbacks=[show])

    inputs = np.ascontiguousarray(x[split:])
    forecast = np.square(np.maximum(model.predict(inputs)[:, 0].astype(np.float64), 0) * scale)
    truth, ar9_forecast = counts[first_held_out:], autoregression(counts, first_held_out)
    return Sunspots(
        model,
        years,
        counts,
        first_held_out,
        inputs,
        forecast,
        ar9_forecast,
        rmse=root_mean_square(forecast - truth),
        persistence_rmse=root_mean_square(counts[first_held_out - 1 : -1] - truth),
        ar9_rmse=root_mean_square(ar9_forecast - truth),
    )
