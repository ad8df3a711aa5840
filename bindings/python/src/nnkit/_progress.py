"""What a fit shows while it runs."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any, NamedTuple

from ._shown import shown


class EpochReport(NamedTuple):
    """What a callback of `Model.fit` is given at the end of an epoch."""

    epoch: int
    """From 1."""
    epochs: int
    """How many there are to be."""
    logs: dict[str, float]
    """"loss", the metric by its name, and "val_loss", "val_..." where there are validation samples."""
    seconds: float
    """How long the epoch took."""

    def __str__(self) -> str:
        return f"epoch {self.epoch}/{self.epochs}  {text_of(self.logs)}"


class StepReport(NamedTuple):
    """What a step callback of `Model.fit` is given after each optimizer step."""

    epoch: int
    """From 1."""
    epochs: int
    """How many there are to be."""
    step: int
    """Of this epoch, from 1."""
    steps: int
    """How many there are in an epoch."""
    logs: dict[str, float]
    """"loss" and the metric by its name, on the training samples of this epoch so far."""

    def __str__(self) -> str:
        return f"epoch {self.epoch}/{self.epochs}, step {self.step}/{self.steps}  {text_of(self.logs)}"


def text_of(logs: dict[str, float]) -> str:
    """The figures in one line: "loss 0.1234, accuracy 0.9712"."""
    return ", ".join(f"{name} {value:.{'2e' if 0 < abs(value) < 1e-3 else '4f'}}" for name, value in logs.items())


class Display:
    """Shows nothing: verbose=0."""

    def step(self, epoch: int, epochs: int, step: int, steps: int, logs: dict[str, float]) -> None:
        """A step has ended."""

    def epoch(self, report: EpochReport) -> None:
        """An epoch has ended."""

    def close(self) -> None:
        """The fit has ended, as planned or not."""


class Lines(Display):
    """One line for each epoch: verbose=2."""

    def epoch(self, report: EpochReport) -> None:
        width = len(str(report.epochs))
        figures = text_of(report.logs)
        print(f"Epoch {report.epoch:{width}d}/{report.epochs}  {report.seconds:6.2f} s  {figures}", flush=True)


class Bars(Display):
    """A progress bar for each epoch: verbose=1."""

    def __init__(self) -> None:
        # Here, since tqdm takes longer to load than the library.
        from tqdm import tqdm

        class Bar(tqdm):  # type: ignore[misc]
            # No watching thread: the bar is moved at every step, and a process with one thread forks safely.
            monitor_interval = 0

        self._kind = Bar
        self._bar: Any = None
        # A terminal shows the bar as it moves. A log file would keep every state: there, only the last is written.
        self._moves = sys.stderr.isatty()

    def _open(self, epoch: int, epochs: int, steps: int) -> Any:
        if self._bar is None:
            width = len(str(epochs))
            self._bar = self._kind(
                total=steps,
                desc=f"Epoch {epoch:{width}d}/{epochs}",
                unit=" step",
                mininterval=0.1 if self._moves else 1e9,
                delay=0 if self._moves else 1e-9,  # Any delay keeps the empty bar from being written.
                bar_format="{desc} |{bar:20}| {n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]",
                file=sys.stderr,
            )
        return self._bar

    def step(self, epoch: int, epochs: int, step: int, steps: int, logs: dict[str, float]) -> None:
        bar = self._open(epoch, epochs, steps)
        bar.set_postfix_str(text_of(logs), refresh=False)
        bar.update(step - bar.n)

    def epoch(self, report: EpochReport) -> None:
        bar = self._bar
        if bar is not None:
            bar.set_postfix_str(text_of(report.logs), refresh=False)
            self.close()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def display_for(verbose: int) -> Display:
    """0: nothing; 1: a bar for each epoch, or, without tqdm, a line; 2: a line for each epoch."""
    kinds = {0: Display, 1: Bars, 2: Lines}
    if not isinstance(verbose, int) or verbose not in kinds:
        raise ValueError(f"verbose is 0 (nothing), 1 (a progress bar) or 2 (a line an epoch), got {shown(verbose)}")
    if verbose == 1 and importlib.util.find_spec("tqdm") is None:
        return Lines()
    return kinds[int(verbose)]()
