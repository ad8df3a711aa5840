"""What is done to a model's parameters: looking at them, training, evaluating."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._attributes import Fixed
from ._catalog import (
    FOREIGN,
    function_option,
    number,
    optimizer_entries,
    option_text,
    own_name,
    truth,
    unknown_argument,
)
from ._handles import ModelHandle
from ._inference import Sessions
from ._ports import Arrays, as_inputs
from ._progress import EpochReport, StepReport
from ._shown import shown
from ._training import Training, warn_of_softmax
from .history import History
from .optimizers import Optimizer
from .weights import Weights

_EPOCHS = function_option("nnk_trainer_fit", "epochs")
BATCH_SIZE = function_option("nnk_trainer_fit", "batch_size")


def _unknown_argument_of_compile(name: str) -> str:
    for entry in optimizer_entries():
        own = own_name(name, [option.name for option in entry.options], FOREIGN["options"])
        if own is not None:
            return f"compile has no argument '{name}': it is the optimizer's, such as nn.{entry.class_name}({own}=...)"
    return unknown_argument("compile", name, ["optimizer", "loss", "metrics", "clip_norm"])


class TrainableModel(Fixed):
    """The half of `nn.Model` that trains."""

    __slots__ = ("_forwarded", "_handle", "_info", "_sessions", "_training", "_waits_for_backward", "_weights")

    _handle: ModelHandle
    _info: dict[str, Any]
    _sessions: Sessions
    _training: Training | None
    _weights: Weights | None
    _waits_for_backward: bool
    _forwarded: NDArray[np.float32] | None
    """The parameters that the pass which waits was run with, where views of them are out."""

    # ---------------------------------------------------------------------------------------------- weights

    @property
    def weights(self) -> Weights:
        """The parameters by name, as arrays that show them in place: writing to one changes the model."""
        if self._weights is None:
            self._weights = Weights(self._handle.parameters(), self._info["parameters"])
            if self._waits_for_backward:
                self._forwarded = self._weights._buffer.copy()
        return self._weights

    def _announce_writes(self, keeps_pass: bool = False) -> None:
        """Says that parameters may have changed, before they are used.

        A write through a NumPy view cannot be seen: once views are out, every use may follow one. Said of parameters
        that are as they were, it would end a forward pass that waits for its backward pass: there they are compared.
        """
        if self._weights is None:
            return
        known, values = self._forwarded, self._weights._buffer
        if keeps_pass and known is not None and np.array_equal(known.view(np.uint32), values.view(np.uint32)):
            return
        self._forwarded = None
        self._handle.parameters_changed()

    # --------------------------------------------------------------------------------------------- training

    def compile(
        self,
        optimizer: Optimizer | str = "sgd",
        loss: str | None = None,
        metrics: Sequence[str] | str = (),
        clip_norm: float | None = None,
        **named: Any,
    ) -> None:
        """Says how the model is trained. Compiling again starts the optimizer afresh, lets go what is frozen, and keeps
        the parameters.

        Arguments:
            optimizer: such as `nn.Adam(1e-3)`, or a name such as "adam" for its defaults.
            loss: "softmax_cross_entropy" (targets are class numbers) or "mean_squared_error"; None: the program has one
                of its own, and trains by `forward`, `backward` and `apply_gradients`.
            metrics: at most one, such as ["accuracy"].
            clip_norm: the largest norm that the gradients may have together; None: any.
            named: `global_clipnorm`, as Keras calls it.
        """
        for name, value in named.items():
            if own_name(name, ["clip_norm"], FOREIGN["options"]) is None or clip_norm is not None:
                raise TypeError(_unknown_argument_of_compile(name))
            clip_norm = value
        before, self._training = self._training, Training(self._handle, self._info, optimizer, loss, metrics, clip_norm)
        self._waits_for_backward, self._forwarded = False, None
        warn_of_softmax(self._info, self._training.loss)
        if before is not None:
            before.optimizer._retire()

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer of the compiled model. Its options can be set: `model.optimizer.learning_rate = 3e-4` counts
        from the next step on, and nothing that the optimizer remembers is lost."""
        return self._compiled("optimizer").optimizer

    @property
    def clip_norm(self) -> float | None:
        """The largest norm that the gradients of the compiled model may have together; None: any. What is set counts
        from the next step on."""
        return self._compiled("clip_norm").clip_norm

    @clip_norm.setter
    def clip_norm(self, value: float | None) -> None:
        self._compiled("clip_norm").clip_norm = value

    def fit(
        self,
        x: Arrays,
        y: Arrays,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: tuple[Any, Any] | None = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        verbose: int = 1,
        callbacks: Sequence[Callable[[EpochReport], Any]] = (),
        step_callbacks: Sequence[Callable[[StepReport], Any]] = (),
    ) -> History:
        """Trains on `x` and `y`, arrays whose first axis is the sample, and returns what each epoch reached.

        Arguments:
            x: the inputs; a list, or a dictionary by input name, where the model has several.
            y: the targets; a list where the model has several outputs. Behind the lengths of sequences anything may
                stand, in `x` too: it counts nowhere.
            epochs: how often every sample is used.
            batch_size: samples in a step.
            validation_data: `(x, y)` to measure loss and metric on after every epoch.
            validation_split: the share of the samples, from the end, to hold out for that instead.
            shuffle: take the samples in a new order each epoch.
            verbose: 0: silent; 1: a progress bar for each epoch (without tqdm, a line); 2: a line for each epoch.
            callbacks: each is called with an `EpochReport` after every epoch; one that returns True ends the fit.
            step_callbacks: each is called with a `StepReport` after every optimizer step, and ends the fit in the same
                way. Both may set options of `model.optimizer` and save the model.
        """
        training = self._compiled("fit")
        inputs = as_inputs(x, "x", self._info)
        targets = training.targets(y, "y", inputs)
        validation_split = number(validation_split, "validation_split")
        validation = None
        if validation_data is not None:
            if validation_split:
                raise ValueError("fit takes validation_data or validation_split, not both")
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
                raise TypeError("validation_data is a tuple of two: (x, y)")
            held_out = as_inputs(validation_data[0], "validation x", self._info)
            validation = held_out, training.targets(validation_data[1], "validation y", held_out)
        options = option_text(
            epochs=_EPOCHS.checked(epochs, "fit"),
            batch_size=BATCH_SIZE.checked(batch_size, "fit"),
            shuffle=truth(shuffle, "shuffle"),
            validation_split=validation_split if validation is None else None,
        )
        self._announce_writes()
        return training.fit(
            inputs, targets, validation, validation_split > 0, options, verbose, callbacks, step_callbacks
        )

    def evaluate(self, x: Arrays, y: Arrays, batch_size: int = 32) -> dict[str, float]:
        """The mean loss, and the metric by its name, over the samples; of sequences, over the steps before lengths."""
        training = self._compiled("evaluate")
        inputs = as_inputs(x, "x", self._info)
        targets = training.targets(y, "y", inputs)
        self._announce_writes(keeps_pass=True)
        batch_size = BATCH_SIZE.checked(batch_size, "evaluate")
        return training.evaluate(inputs, targets, option_text(batch_size=batch_size))

    def train_on_batch(self, x: Arrays, y: Arrays) -> float:
        """One optimizer step on one batch; returns the mean loss before it."""
        training = self._compiled("train_on_batch")
        self._announce_writes()
        inputs = as_inputs(x, "x", self._info)
        return training.trainer.step(inputs, training.targets(y, "y", inputs))

    def compute_gradients(self, x: Arrays, y: Arrays) -> float:
        """The first half of `train_on_batch`: puts the gradients into `gradients` and returns the mean loss."""
        training = self._compiled("compute_gradients")
        self._announce_writes(keeps_pass=True)
        inputs = as_inputs(x, "x", self._info)
        return training.trainer.gradients(inputs, training.targets(y, "y", inputs))

    def forward(self, x: Arrays) -> Any:
        """The model's output for one batch as training computes it: dropout draws, and batchnorm takes the statistics
        of the batch. A list where the model has several. `backward` goes back from there.
        """
        training = self._compiled("forward")
        self._announce_writes()
        inputs = as_inputs(x, "x", self._info)
        outputs = self._sessions.empty_outputs(inputs)
        training.forward(inputs, outputs)
        self._waits_for_backward = True
        if self._weights is not None:
            self._forwarded = self._weights._buffer.copy()
        return outputs[0] if len(outputs) == 1 else outputs

    def backward(self, gradients: Any, inputs: bool = False) -> Any:
        """Puts the gradients of a loss of the program's own into `gradients`; `apply_gradients` uses them.

        Arguments:
            gradients: those of the loss by the outputs that the last `forward` returned, in their shapes: an array, or
                a list or a dictionary by output name of several; None, or a name that is missing, is one that is zero.
                A mean over the batch is for the program to take.
            inputs: whether the gradients by the inputs are computed and returned too; a list where the model has
                several, None for one of integers.
        """
        training = self._compiled("backward")
        if self._forwarded is not None:
            self._announce_writes(keeps_pass=True)
        found = training.backward(gradients, truth(inputs, "inputs"))
        self._waits_for_backward, self._forwarded = False, None
        return found[0] if found is not None and len(found) == 1 else found

    def apply_gradients(self) -> None:
        """Lets the optimizer use what is in `gradients`, as `compute_gradients` or `backward` left it."""
        training = self._compiled("apply_gradients")
        self._announce_writes()
        training.trainer.apply()

    @property
    def gradients(self) -> Weights:
        """The gradients by parameter name, in place, as `compute_gradients` or `backward` left them."""
        return self._compiled("gradients").gradients

    def freeze(self, pattern: str) -> int:
        """Keeps parameters as they are: no step changes them. Their gradients are zero, and take no time unless the
        same computation gives others.

        What is frozen belongs to the training: `compile` begins with nothing frozen, copies of the model keep it. A
        batchnorm whose parameters are frozen, running statistics too, still normalizes by the batch in training.

        Arguments:
            pattern: of names in `weights`; * stands for any characters, ? for any one: "conv_1/*", "encoder_*".

        Returns how many parameters fit. Raises: InvalidArgumentError where none does.
        """
        return self._freeze("freeze", pattern, True)

    def unfreeze(self, pattern: str = "*") -> int:
        """Lets parameters be trained again that `freeze` had frozen; returns how many fit, frozen or not."""
        return self._freeze("unfreeze", pattern, False)

    @property
    def frozen(self) -> list[str]:
        """The names of the parameters that are frozen, in their order.

        Raises: BusyError while another thread trains the model.
        """
        trainer = self._compiled("frozen").trainer
        return [entry["name"] for entry in self._info["parameters"] if trainer.is_frozen(entry["name"])]

    def _freeze(self, what: str, pattern: str, frozen: bool) -> int:
        if not isinstance(pattern, str):
            raise TypeError(f"{what} takes a pattern of parameters' names such as 'conv/*', got {shown(pattern)}")
        return self._compiled(what).trainer.freeze(pattern, frozen)

    def _compiled(self, what: str) -> Training:
        if self._training is None:
            raise RuntimeError(
                f"{what} needs a compiled model; call compile first, such as "
                f"model.compile('adam', loss='softmax_cross_entropy')"
            )
        return self._training
