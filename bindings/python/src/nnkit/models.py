"""Models: a graph of layers with its parameters, to train, to evaluate, to run and to keep in a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _files, _graph, _summary
from ._arrays import as_floats, as_integers
from ._attributes import Fixed
from ._catalog import function_option, number, option_text, truth
from ._graph import Input, Layer, LayerNode, Shape, Value
from ._handles import ModelHandle
from ._inference import Sessions
from ._progress import EpochReport, StepReport
from ._shown import shown
from ._training import Training, warn_of_softmax
from .errors import InvalidArgumentError
from .history import History
from .optimizers import Optimizer
from .runtime import Runtime, handle_of
from .streams import Stream
from .weights import Weights

_BATCH_SIZE = function_option("nnk_trainer_evaluate", "batch_size")

Arrays: TypeAlias = ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike]


class Model(Fixed):
    """A model of any graph.

    A copy, by `copy`, `copy.deepcopy` or `pickle`, is a model of its own: with the same parameters and, where the model
    is compiled, with all that training goes on from, so that both train on to the same bits.

    Arguments:
        inputs: a value that `nn.Input` returned, or a list of these.
        outputs: the value, or list of values, that the model computes.
        seed: where the initial parameters, the order of samples and dropout come from.
        name: a name for people; it heads the summary.
        runtime: the threads to use; None: the shared ones.
    """

    __slots__ = ("__weakref__", "_handle", "_info", "_name", "_runtime", "_sessions", "_training", "_weights")

    _kind = "a model"

    def __init__(
        self,
        inputs: Value | Sequence[Value],
        outputs: Value | Sequence[Value],
        seed: int = 0,
        name: str | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        graph, nodes = _graph.build(_values(inputs, "inputs"), _values(outputs, "outputs"))
        options = option_text(seed=seed)
        handle = ModelHandle.create(handle_of(runtime), graph, options)
        self._set_up(handle, name, runtime)
        _refuse_shared_parameters(nodes, self._info)

    def _set_up(self, handle: ModelHandle, name: str | None, runtime: Runtime | None) -> None:
        self._handle = handle
        self._runtime = runtime
        self.name = name
        self._info: dict[str, Any] = json.loads(handle.info_json())
        self._sessions = Sessions(handle, self._info)
        self._training: Training | None = None
        self._weights: Weights | None = None

    # ------------------------------------------------------------------------------------------- what it is

    @property
    def name(self) -> str | None:
        """A name for people; it heads the summary."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a model's name is a string or None, got {shown(name)}")
        self._name = name

    @property
    def info(self) -> dict[str, Any]:
        """Inputs, outputs, layers and parameters, as `nnk_model_info_json` describes them: a copy."""
        return dict(json.loads(self._handle.info_json()))

    @property
    def parameter_count(self) -> int:
        """How many numbers the model has learnt or is to learn."""
        return int(self._info["parameter_count"])

    @property
    def input_shapes(self) -> list[tuple[int | None, ...]]:
        """The shapes of the inputs, without the batch; None is an open time dimension."""
        return [_open_as_none(entry["shape"]) for entry in self._info["inputs"]]

    @property
    def output_shapes(self) -> list[tuple[int | None, ...]]:
        """The shapes of the outputs, without the batch; None is an open time dimension."""
        return [_open_as_none(entry["shape"]) for entry in self._info["outputs"]]

    def summary(self) -> None:
        """Prints a table of the layers, their output shapes and parameters."""
        print(_summary.table(self._title(), self.info))

    def _title(self) -> str:
        kind = type(self).__name__
        return f"{kind} '{self.name}'" if self.name else kind

    def __repr__(self) -> str:
        shapes = " -> ".join(
            ", ".join(_summary.shape_text(entry["shape"]) for entry in self._info[side])
            for side in ("inputs", "outputs")
        )
        layers = len(self._info["layers"])
        return f"<{self._title()}: {layers} layers, {self.parameter_count:,} parameters, {shapes}>"

    # ---------------------------------------------------------------------------------------------- weights

    @property
    def weights(self) -> Weights:
        """The parameters by name, as arrays that show them in place: writing to one changes the model."""
        if self._weights is None:
            self._weights = Weights(self._handle.parameters(), self._info["parameters"])
        return self._weights

    def _announce_writes(self) -> None:
        # A write through a NumPy view cannot be seen: once views are out, every use may follow one.
        if self._weights is not None:
            self._handle.parameters_changed()

    # --------------------------------------------------------------------------------------------- training

    def compile(
        self,
        optimizer: Optimizer | str = "sgd",
        loss: str | None = None,
        metrics: Sequence[str] | str = (),
        clip_norm: float | None = None,
    ) -> None:
        """Says how the model is trained. Compiling again starts the optimizer afresh, lets go what is frozen, and keeps
        the parameters.

        Arguments:
            optimizer: such as `nn.Adam(1e-3)`, or a name such as "adam" for its defaults.
            loss: "softmax_cross_entropy" (targets are class numbers) or "mean_squared_error"; None: the program has one
                of its own, and trains by `forward`, `backward` and `apply_gradients`.
            metrics: at most one, such as ["accuracy"].
            clip_norm: the largest norm that the gradients may have together; None: any.
        """
        before, self._training = self._training, Training(self._handle, self._info, optimizer, loss, metrics, clip_norm)
        warn_of_softmax(self._info, self._training.loss)
        if before is not None:
            before.optimizer._retire()

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer of the compiled model. Its options can be set: `model.optimizer.learning_rate = 3e-4` counts
        from the next step on, and nothing that the optimizer remembers is lost."""
        return self._compiled("optimizer").optimizer

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
            verbose: 0: silent; 1: a progress bar for each epoch; 2: a line for each epoch.
            callbacks: each is called with an `EpochReport` after every epoch; one that returns True ends the fit.
            step_callbacks: each is called with a `StepReport` after every optimizer step, and ends the fit in the same
                way. Both may set options of `model.optimizer` and save the model.
        """
        training = self._compiled("fit")
        inputs = self._inputs(x, "x")
        targets = training.targets(y, "y", inputs)
        validation_split = number(validation_split, "validation_split")
        validation = None
        if validation_data is not None:
            if validation_split:
                raise ValueError("fit takes validation_data or validation_split, not both")
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
                raise TypeError("validation_data is a tuple of two: (x, y)")
            held_out = self._inputs(validation_data[0], "validation x")
            validation = held_out, training.targets(validation_data[1], "validation y", held_out)
        options = option_text(
            epochs=epochs,
            batch_size=batch_size,
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
        inputs = self._inputs(x, "x")
        targets = training.targets(y, "y", inputs)
        self._announce_writes()
        return training.evaluate(inputs, targets, option_text(batch_size=batch_size))

    def train_on_batch(self, x: Arrays, y: Arrays) -> float:
        """One optimizer step on one batch; returns the mean loss before it."""
        training = self._compiled("train_on_batch")
        self._announce_writes()
        inputs = self._inputs(x, "x")
        return training.trainer.step(inputs, training.targets(y, "y", inputs))

    def compute_gradients(self, x: Arrays, y: Arrays) -> float:
        """The first half of `train_on_batch`: puts the gradients into `gradients` and returns the mean loss."""
        training = self._compiled("compute_gradients")
        self._announce_writes()
        inputs = self._inputs(x, "x")
        return training.trainer.gradients(inputs, training.targets(y, "y", inputs))

    def forward(self, x: Arrays) -> Any:
        """The model's output for one batch as training computes it: dropout draws, and batchnorm takes the statistics
        of the batch. A list where the model has several. `backward` goes back from there.
        """
        training = self._compiled("forward")
        self._announce_writes()
        inputs = self._inputs(x, "x")
        outputs = self._sessions.empty_outputs(inputs)
        training.forward(inputs, outputs)
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
        found = self._compiled("backward").backward(gradients, truth(inputs, "inputs"))
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

    # -------------------------------------------------------------------------------------------- inference

    def predict(self, x: Arrays, batch_size: int = 32) -> Any:
        """The model's output for `x`, whose first axis is the sample; a list where the model has several.

        May be called from several threads at once.
        """
        batch_size = _BATCH_SIZE.checked(batch_size, "predict")
        inputs = self._inputs(x, "x")
        self._announce_writes()
        outputs = self._sessions.run(inputs, batch_size)
        return outputs[0] if len(outputs) == 1 else outputs

    def stream(self) -> Stream:
        """A stream at the start of a sequence, for a recurrent model that is given its input one time step at a time.

        Raises: UnsupportedError where the model has no recurrent layer, or a layer that needs the whole sequence.
        """
        return Stream(self)

    def step(self, streams: Sequence[Stream], x: Arrays) -> Any:
        """Advances independent streams by one time step each and returns this step's output; a list of several.

        `x` and the output are [n, ...] without the time dimension: row i belongs to `streams[i]`. Step by step the
        numbers are those that `predict` gives for the whole sequence. May be called from several threads at once with
        different streams.
        """
        if not isinstance(streams, (list, tuple)):
            raise TypeError(f"step takes a list of streams, got {shown(streams)}")
        handles = []
        for index, stream in enumerate(streams):
            if not isinstance(stream, Stream):
                raise InvalidArgumentError(f"streams[{index}] is {shown(stream)}; expected what stream() returned")
            handles.append(stream._handle)
        inputs = self._inputs(x, "x")
        self._announce_writes()
        outputs = self._sessions.step(handles, inputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def session_bytes(self, max_batch: int = 1, max_time: int = 0) -> int:
        """The bytes that predicting `max_batch` samples at a time allocates, to the byte; allocates none.

        0 where a time dimension is open and `max_time` is 0: nothing is planned before the first run.
        """
        return self._handle.session_bytes(option_text(max_batch=max_batch, max_time=max_time))

    def _inputs(self, x: Any, what: str) -> list[NDArray[Any]]:
        entries = self._info["inputs"]
        names = [entry["name"] for entry in entries]
        if isinstance(x, Mapping):
            if set(x) != set(names):
                raise ValueError(f"{what}: the model's inputs are {', '.join(names)}; got {', '.join(map(str, x))}")
            given = [x[name] for name in names]
        elif len(entries) == 1:
            # A list of one array, as of several inputs, where it could not be the list of samples.
            listed = (
                isinstance(x, (list, tuple))
                and len(x) == 1
                and getattr(x[0], "ndim", 0) == len(entries[0]["shape"]) + 1
            )
            given = list(x) if listed else [x]
        elif isinstance(x, (list, tuple)) and len(x) == len(entries):
            given = list(x)
        else:
            raise ValueError(
                f"{what}: the model has {len(entries)} inputs ({', '.join(names)}): give a list of as many"
            )
        convert = {"float32": as_floats, "int32": as_integers}
        return [
            convert[entry["dtype"]](array, what if len(entries) == 1 else f"{what}, input '{entry['name']}'")
            for entry, array in zip(entries, given)
        ]

    # ----------------------------------------------------------------------------------------------- copies

    def __reduce_ex__(self, protocol: Any) -> Any:
        training = None
        if self._training is not None:
            training = self._training.arguments()
            file = self._training.trainer.write_state()
        else:
            file = self._handle.write()
        state = {
            "file": file,
            "training": training,
            "name": self.name,
            "runtime": self._runtime,
            "more": self._more(),
            "attributes": getattr(self, "__dict__", {}),
        }
        return _restored, (type(self), state)

    def _more(self) -> Any:
        """What a derived class needs to be restored."""
        return None

    def _restore(self, more: Any) -> None:
        """Takes what `_more` gave."""

    # ------------------------------------------------------------------------------------------------- file

    def save(self, target: _files.Target) -> None:
        """Writes graph and parameters to one file, which is also a valid safetensors file.

        Arguments:
            target: a path (a string, bytes or `os.PathLike`), or a binary file object, such as an `io.BytesIO`. At a
                path it is atomic: on any error a file that was there before is still there, whole.
        """
        _files.save(self._handle, target)

    @classmethod
    def _loaded(cls, source: _files.Source, runtime: Runtime | None) -> Model:
        model = cls.__new__(cls)
        model._set_up(_files.load(handle_of(runtime), source), None, runtime)
        return model


class Sequential(Model):
    """A model whose layers follow one another.

    Arguments:
        layers: the layers, first to last.
        input_shape: the shape of one sample, without the batch; None is an open time dimension.
        input_dtype: "float32" or "int32".
        seed, name, runtime: as for `Model`.
    """

    __slots__ = ("_layers",)

    def __init__(
        self,
        layers: Sequence[Layer],
        input_shape: Shape,
        input_dtype: str | np.dtype[Any] | type = "float32",
        seed: int = 0,
        name: str | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self._layers = _layers(layers)
        for position, layer in enumerate(self._layers):
            if not isinstance(layer, Layer):
                hint = "; write it with parentheses" if isinstance(layer, type) and issubclass(layer, Layer) else ""
                raise TypeError(f"Sequential: layer {position} is {shown(layer)}, which is no layer{hint}")
        first = value = Input(input_shape, input_dtype)
        for layer in self._layers:
            value = layer(value)
        super().__init__(first, value, seed, name, runtime)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that the model was made of, first to last."""
        return self._layers

    def _more(self) -> Any:
        return self._layers

    def _restore(self, more: Any) -> None:
        self._layers = more


def _layers(layers: Any) -> tuple[Any, ...]:
    if isinstance(layers, Layer) or not isinstance(layers, Iterable):
        raise TypeError(f"Sequential takes a list of layers, got {shown(layers)}")
    return tuple(layers)


def _restored(kind: type[Model], state: dict[str, Any]) -> Model:
    """A copy of a model, by `copy` or `pickle`."""
    model = kind.__new__(kind)
    runtime = state["runtime"]
    model._set_up(ModelHandle.read(handle_of(runtime), state["file"]), state["name"], runtime)
    model._restore(state["more"])
    if state["training"] is not None:
        model._training = Training(model._handle, model._info, **state["training"])
        model._training.trainer.read_state(state["file"])
    if state["attributes"]:
        model.__dict__.update(state["attributes"])
    return model


def load(source: _files.Source, runtime: Runtime | None = None) -> Model:
    """The model in a file that `Model.save` wrote. It can predict at once; compile it to train on.

    Arguments:
        source: a path (a string, bytes or `os.PathLike`), the bytes of a file (`bytes`, `bytearray`, `memoryview` or
            the like), or a binary file object, which is read to its end.
        runtime: the threads to use; None: the shared ones.
    """
    return Model._loaded(source, runtime)


def _values(values: Any, what: str) -> list[Value]:
    found = [values] if isinstance(values, Value) else values
    if not isinstance(found, (list, tuple)) or not found or not all(isinstance(value, Value) for value in found):
        raise TypeError(
            f"a model's {what} are a value, or a list of values, from nn.Input and layers; got {shown(values)}"
        )
    return list(found)


def _open_as_none(shape: Sequence[int]) -> tuple[int | None, ...]:
    return tuple(None if size == -1 else size for size in shape)


def _refuse_shared_parameters(nodes: Sequence[LayerNode], info: dict[str, Any]) -> None:
    """Raises: ValueError if one layer with parameters is used twice, since each use would get its own."""
    seen: set[int] = set()
    for node, entry in zip(nodes, info["layers"]):
        if id(node.layer) in seen and entry["parameters"]:
            raise ValueError(
                f"{node.layer!r} is used twice in this model; layers do not share parameters: make one for each place"
            )
        seen.add(id(node.layer))
