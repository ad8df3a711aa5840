"""Training: a compiled model's trainer, and what a fit records and shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from . import _ffi
from ._arrays import as_floats, as_integers
from ._catalog import option_text
from ._handles import DatasetHandle, ModelHandle, TrainerHandle
from ._progress import EpochReport, display_for
from .history import History
from .optimizers import Optimizer
from .weights import Weights

# Losses whose targets are class numbers; the targets of all others are float32.
_LOSSES_OF_LABELS = frozenset({"softmax_cross_entropy"})

Arrays = list[NDArray[Any]]


class Training:
    """A model with a loss, an optimizer and perhaps a metric."""

    def __init__(
        self,
        model: ModelHandle,
        info: dict[str, Any],
        optimizer: Optimizer | str,
        loss: str | None,
        metrics: Sequence[str] | str,
        clip_norm: float | None,
    ) -> None:
        names = [metrics] if isinstance(metrics, str) else list(metrics or ())
        if len(names) > 1:
            raise ValueError(f"compile takes one metric at most, got {len(names)}: {', '.join(map(str, names))}")
        if isinstance(optimizer, Optimizer):
            optimizer_text = " ".join([f"optimizer={optimizer.kind}", *optimizer._texts])
        elif isinstance(optimizer, str):
            optimizer_text = option_text(optimizer=optimizer)
        else:
            raise TypeError(f"compile: the optimizer is a name or an object such as nn.Adam(1e-3), got {optimizer!r}")
        self.metric = names[0] if names else None
        rest = option_text(loss=loss, metric=self.metric, clip_norm=None if clip_norm is None else float(clip_norm))
        self.trainer = TrainerHandle(model, f"{rest} {optimizer_text}")
        self._of_labels = loss in _LOSSES_OF_LABELS
        self._outputs = info["outputs"]
        self._parameters = info["parameters"]
        self._gradients: Weights | None = None

    def targets(self, y: Any, what: str) -> Arrays:
        """`y` as one array for each output, of the type that the loss takes."""
        count = len(self._outputs)
        if isinstance(y, Mapping):
            y = [y[entry["name"]] for entry in self._outputs]
        elif count == 1:
            y = [y]
        elif not isinstance(y, (list, tuple)) or len(y) != count:
            raise ValueError(f"{what}: the model has {count} outputs: give a list of as many targets")
        if self._of_labels:
            return [as_integers(array, what) for array in y]
        floats = [as_floats(array, what) for array in y]
        # One number a sample is as good as a list of one: [N] becomes [N, 1] where that is what the model computes.
        return [
            array[..., None] if array.ndim == len(entry["shape"]) and entry["shape"][-1:] == [1] else array
            for array, entry in zip(floats, self._outputs)
        ]

    @property
    def gradients(self) -> Weights:
        """The gradients by parameter name, in place."""
        if self._gradients is None:
            self._gradients = Weights(self.trainer.gradients_view(), self._parameters)
        return self._gradients

    def evaluate(self, inputs: Arrays, targets: Arrays, options: str) -> dict[str, float]:
        """The mean loss, and the metric by its name."""
        loss, metric = self.trainer.evaluate(DatasetHandle(inputs, targets), options)
        return self._logs(loss, metric)

    def _logs(self, loss: float, metric: float) -> dict[str, float]:
        return {"loss": loss} if self.metric is None else {"loss": loss, self.metric: metric}

    def fit(
        self,
        inputs: Arrays,
        targets: Arrays,
        validation: tuple[Arrays, Arrays] | None,
        validation_split: bool,
        options: str,
        verbose: int,
        callbacks: Sequence[Callable[[EpochReport], Any]],
    ) -> History:
        """Trains, shows how it goes, and returns what each epoch reached."""
        history, display = History(), display_for(verbose)
        for callback in callbacks:
            if not callable(callback):
                raise TypeError(f"callbacks are functions that take an EpochReport, got {callback!r}")
        validates = validation is not None or validation_split

        def report(progress: _ffi.Progress) -> bool:
            logs = self._logs(progress.loss, progress.train_metric)
            if progress.event == _ffi.EVENT_STEP:
                display.step(progress.epoch, progress.epochs, progress.step, progress.steps, logs)
                return False
            if validates:
                measured = self._logs(progress.validation_loss, progress.metric)
                logs.update({f"val_{name}": value for name, value in measured.items()})
            history.append(logs, progress.seconds)
            epoch = EpochReport(progress.epoch, progress.epochs, logs, progress.seconds)
            display.epoch(epoch)
            # Every callback is called, whatever the ones before it say.
            return any([bool(callback(epoch)) for callback in callbacks])

        dataset = DatasetHandle(inputs, targets)
        self.trainer.set_validation(DatasetHandle(*validation) if validation else None)
        try:
            # Steps are reported even to a silent fit: Python sees Ctrl-C only when it gets to run.
            self.trainer.fit(dataset, f"{options} report=step", report)
        finally:
            display.close()
            if validation:
                self.trainer.set_validation(None)
        return history
