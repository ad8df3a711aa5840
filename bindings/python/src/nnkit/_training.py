"""Training: a compiled model's trainer, and what a fit records and shows."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _ffi
from ._arrays import as_floats, as_integers
from ._callbacks import replace_handlers
from ._catalog import function_option, number, option_text
from ._handles import DatasetHandle, ModelHandle, TrainerHandle
from ._progress import EpochReport, StepReport, display_for
from ._shown import shown
from .errors import BusyError, InvalidArgumentError, ShapeError
from .history import History
from .optimizers import KINDS, Optimizer
from .weights import Weights

# Losses whose targets are class numbers; the targets of all others are float32.
_NO_LOSS = "none"
_LOSSES_OF_LABELS = frozenset({"softmax_cross_entropy"})

_LOSS, _METRIC, _OPTIMIZER = (function_option("nnk_trainer_create", name) for name in ("loss", "metric", "optimizer"))

Arrays = list[NDArray[Any]]


def warn_of_softmax(info: dict[str, Any], loss: str) -> None:
    """Warns where a loss that takes logits is given what a softmax made of them."""
    kinds = {layer["name"]: layer["kind"] for layer in info["layers"]}
    for output in info["outputs"]:
        if loss in _LOSSES_OF_LABELS and kinds.get(output["source"]) == "softmax":
            warnings.warn(
                f"{loss} takes logits and makes a softmax of them, and output '{output['name']}' is the result of a "
                f"softmax already (layer '{output['source']}'): the model will learn slowly and badly. Leave it out; "
                f"where probabilities are wanted, make a softmax of what predict returns",
                stacklevel=3,
            )


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
        names = [metrics] if isinstance(metrics, str) else () if metrics is None else metrics
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"compile: metrics are a list of names such as ['accuracy'], got {shown(metrics)}")
        if len(names) > 1:
            raise ValueError(f"compile takes one metric at most, got {len(names)}: {', '.join(map(str, names))}")
        if isinstance(optimizer, str):
            optimizer = KINDS[_OPTIMIZER.checked(optimizer, "compile")]()
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"compile: the optimizer is a name or an object such as nn.Adam(1e-3), got {shown(optimizer)}"
            )
        self.metric = _METRIC.checked(names[0], "compile") if names else None
        self.loss: str = _LOSS.checked(_NO_LOSS if loss is None else loss, "compile")
        limit = None if clip_norm is None else number(clip_norm, "clip_norm")
        rest = option_text(loss=self.loss, metric=self.metric, clip_norm=limit)
        self.trainer = TrainerHandle(model, f"{rest} optimizer={optimizer.kind} {optimizer._text()}")
        self.optimizer: Optimizer = optimizer._of_model(self.trainer)
        self._of_labels = self.loss in _LOSSES_OF_LABELS
        self._outputs = info["outputs"]
        self._parameters = info["parameters"]
        self._gradients: Weights | None = None
        # By process: a fork's child goes on without the fit that another thread was in.
        self._fits: dict[int, object] = {}
        self._inputs: list[tuple[tuple[int, ...], np.dtype[Any]]] = []

    def arguments(self) -> dict[str, Any]:
        """Of `Model.compile`, for one like this."""
        return {
            "optimizer": copy.copy(self.optimizer),
            "loss": self.loss,
            "metrics": [] if self.metric is None else [self.metric],
            "clip_norm": self.clip_norm,
        }

    @property
    def clip_norm(self) -> float | None:
        """The largest norm that the gradients may have together; None: any."""
        return self.trainer.get("clip_norm") or None

    @clip_norm.setter
    def clip_norm(self, value: float | None) -> None:
        self.trainer.set(option_text(clip_norm=0.0 if value is None else number(value, "clip_norm")))

    def targets(self, y: Any, what: str, inputs: Arrays) -> Arrays:
        """`y` as one array for each output, of the type that the loss takes."""
        if self.loss == _NO_LOSS:
            raise InvalidArgumentError(
                "the model was compiled without a loss: compile it with one, such as loss='softmax_cross_entropy', "
                "or train it with gradients of your own by forward, backward and apply_gradients"
            )
        count = len(self._outputs)
        if isinstance(y, Mapping):
            names = [entry["name"] for entry in self._outputs]
            if set(y) != set(names):
                raise ValueError(f"{what}: the model's outputs are {', '.join(names)}; got {', '.join(map(str, y))}")
            y = [y[name] for name in names]
        elif count == 1:
            samples = inputs[0].shape[0] if inputs[0].ndim else 0
            # A list of one array, as of several outputs. Of one sample it is that sample's target.
            single = isinstance(y, (list, tuple)) and len(y) == 1 and samples > 1
            listed = single and tuple(getattr(y[0], "shape", ()))[:1] == (samples,)
            if single and not listed:
                raise ShapeError(
                    f"{what}: a list of one is the target of one sample, and there are {samples}; give one array whose "
                    f"first axis is the sample, such as numpy.array(targets)"
                )
            y = list(y) if listed else [y]
        elif not isinstance(y, (list, tuple)) or len(y) != count:
            raise ValueError(f"{what}: the model has {count} outputs: give a list of as many targets")
        if self._of_labels:
            for array, entry in zip(y, self._outputs):
                if np.ndim(array) == len(entry["shape"]) + 1 and np.shape(array)[-1] > 1:
                    raise ShapeError(
                        f"{what}: {self.loss} takes class numbers, one for each row of output '{entry['name']}', not "
                        f"shape {np.shape(array)}; of one-hot rows take .argmax(axis=-1)"
                    )
            labels = [as_integers(array, what) for array in y]
            # A column of class numbers, [N, 1], is as good as a row of them.
            return [
                array[..., 0] if array.ndim == len(entry["shape"]) + 1 and array.shape[-1] == 1 else array
                for array, entry in zip(labels, self._outputs)
            ]
        floats = [as_floats(array, what) for array in y]
        # One number a sample is as good as a list of one: [N] becomes [N, 1] where that is what the model computes.
        return [
            array[..., None] if array.ndim == len(entry["shape"]) and entry["shape"][-1:] == [1] else array
            for array, entry in zip(floats, self._outputs)
        ]

    def forward(self, inputs: Arrays, outputs: Arrays) -> None:
        """Runs the model as training does, and keeps what `backward` needs."""
        self.trainer.forward(inputs, outputs)
        self._inputs = [(array.shape, array.dtype) for array in inputs]

    def backward(self, gradients: Any, wants_inputs: bool) -> list[NDArray[Any] | None] | None:
        """The gradients of the last `forward`; those of its inputs too, if wanted. None for an input of integers."""
        names = [entry["name"] for entry in self._outputs]
        if isinstance(gradients, Mapping):
            unknown = set(gradients) - set(names)
            if unknown:
                raise ValueError(
                    f"backward: the model's outputs are {', '.join(names)}; got {', '.join(map(str, unknown))}"
                )
            gradients = [gradients.get(name) for name in names]
        elif len(names) == 1 and not (isinstance(gradients, (list, tuple)) and len(gradients) == 1):
            gradients = [gradients]
        elif not isinstance(gradients, (list, tuple)) or len(gradients) != len(names):
            raise ValueError(f"backward: the model has {len(names)} outputs: give a list of as many gradients")
        arrays = [
            None if gradient is None else as_floats(gradient, f"the gradient of output '{name}'")
            for name, gradient in zip(names, gradients)
        ]
        found: list[NDArray[Any] | None] = [
            np.empty(shape, np.float32) if dtype == np.float32 else None for shape, dtype in self._inputs
        ]
        self.trainer.backward(arrays, found if wants_inputs else [])
        return found if wants_inputs else None

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
        step_callbacks: Sequence[Callable[[StepReport], Any]],
    ) -> History:
        """Trains, shows how it goes, and returns what each epoch reached."""
        history, display = History(), display_for(verbose)
        callbacks = _functions(callbacks, "callbacks", EpochReport)
        step_callbacks = _functions(step_callbacks, "step_callbacks", StepReport)
        validates = validation is not None or validation_split

        def report(progress: _ffi.Progress) -> bool:
            if progress.event == _ffi.EVENT_EVALUATION:
                return False
            logs = self._logs(progress.loss, progress.train_metric)
            if progress.event == _ffi.EVENT_STEP:
                display.step(progress.epoch, progress.epochs, progress.step, progress.steps, logs)
                if not step_callbacks:
                    return False
                return told(
                    step_callbacks, StepReport(progress.epoch, progress.epochs, progress.step, progress.steps, logs)
                )
            if validates:
                measured = self._logs(progress.validation_loss, progress.metric)
                logs.update({f"val_{name}": value for name, value in measured.items()})
            history.append(logs, progress.seconds)
            epoch = EpochReport(progress.epoch, progress.epochs, logs, progress.seconds)
            display.epoch(epoch)
            return told(callbacks, epoch)

        def told(functions: Sequence[Callable[[Any], Any]], event: EpochReport | StepReport) -> bool:
            # Every callback is called, whatever the ones before it say.
            stop = any([bool(function(event)) for function in functions])
            if functions:
                replace_handlers()
            return stop

        dataset = DatasetHandle(inputs, targets)
        # A fit has its validation samples alone with the trainer, whatever other threads do.
        process, mine = os.getpid(), object()
        try:
            if self._fits.setdefault(process, mine) is not mine:
                raise BusyError("another fit of this model has not ended; fit it when that has, or fit a copy of it")
            self.trainer.set_validation(DatasetHandle(*validation) if validation else None)
            # Every batch is reported even to a silent fit: Python sees Ctrl-C only when it gets to run.
            self.trainer.fit(dataset, f"{options} report=batch", report)
        finally:
            display.close()
            if self._fits.get(process) is mine:
                try:
                    if validation:
                        # Where another thread evaluates already, they stay until the next fit, which has its own.
                        with suppress(BusyError):
                            self.trainer.set_validation(None)
                finally:
                    del self._fits[process]
        return history


def _functions(functions: Any, name: str, report: type) -> Sequence[Callable[[Any], Any]]:
    """The callbacks of a fit. Raises: TypeError where they are none."""
    functions = () if functions is None else functions
    if not isinstance(functions, (list, tuple)) or not all(map(callable, functions)):
        article = "an" if report.__name__[0] in "AEIOU" else "a"
        raise TypeError(f"{name} are a list of functions that take {article} {report.__name__}, got {shown(functions)}")
    return functions
