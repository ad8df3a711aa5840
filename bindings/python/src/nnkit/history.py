"""What a fit has recorded."""

from __future__ import annotations

import os


class History:
    """Loss and metric of every epoch of one fit.

    `history.history` is a dictionary of lists: "loss", the metric's name such as "accuracy", and "val_loss",
    "val_accuracy" where there were validation samples.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.seconds: list[float] = []
        """How long each epoch took."""

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.seconds)

    def append(self, logs: dict[str, float], seconds: float) -> None:
        """Adds one epoch."""
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        self.seconds.append(seconds)

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draws the curves of loss and metric to an image file; its ending gives the format.

        Raises: ImportError without matplotlib (`pip install nnkit[plot]`); ValueError if no epoch was trained.
        """
        if not self.epochs:
            raise ValueError("there is nothing to plot: no epoch was trained")
        from ._plot import plot_history

        plot_history(self, path)

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.history.items())
        return f"<nnkit.History: {self.epochs} epochs{', last: ' if last else ''}{last}>"
