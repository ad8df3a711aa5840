"""Models: a graph of layers with its parameters, to train, to evaluate, to run and to keep in a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from . import _files, _graph, _summary
from ._catalog import option_text
from ._graph import Input, Layer, LayerNode, Shape, Value
from ._handles import ModelHandle
from ._inference import Sessions
from ._ports import Arrays, Port, as_inputs
from ._shown import shown
from ._trainable import BATCH_SIZE, TrainableModel
from ._training import Training
from .errors import InvalidArgumentError
from .runtime import Runtime, handle_of
from .streams import Stream


class Model(TrainableModel):
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

    __slots__ = ("__weakref__", "_name", "_runtime")

    _kind = "a model"

    def __init__(
        self,
        inputs: Value | Sequence[Value],
        outputs: Value | Sequence[Value],
        seed: int = 0,
        name: str | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        graph, layers = _graph.build(_values(inputs, "inputs"), _values(outputs, "outputs"))
        # As the line that makes the model: a class derived from this one makes it by one more call.
        _graph.warn_of_channels_first(layers, stacklevel=2 + (type(self) is not Model))
        options = option_text(seed=seed)
        handle = ModelHandle.create(handle_of(runtime), graph, options)
        self._set_up(handle, name, runtime)
        _refuse_shared_parameters(layers, self._info)

    def _set_up(self, handle: ModelHandle, name: str | None, runtime: Runtime | None) -> None:
        self._handle = handle
        self._runtime = runtime
        self.name = name
        self._info = json.loads(handle.info_json())
        self._sessions = Sessions(handle, self._info)
        self._training = None
        self._weights = None
        self._waits_for_backward, self._forwarded = False, None

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
    def inputs(self) -> list[Port]:
        """What the model takes: name, type and shape of each input."""
        return self._handle.inputs()

    @property
    def outputs(self) -> list[Port]:
        """What the model gives: name, type and shape of each output."""
        return self._handle.outputs()

    def summary(self) -> None:
        """Prints a table of the layers, their output shapes and parameters, and how many of these are frozen.

        Raises: BusyError while another thread trains the model.
        """
        print(_summary.table(self._title(), self.info, set() if self._training is None else set(self.frozen)))

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

    # -------------------------------------------------------------------------------------------- inference

    def predict(self, x: Arrays, batch_size: int = 32) -> Any:
        """The model's output for `x`, whose first axis is the sample; a list where the model has several.

        May be called from several threads at once.
        """
        batch_size = BATCH_SIZE.checked(batch_size, "predict")
        inputs = as_inputs(x, "x", self._info)
        self._announce_writes(keeps_pass=True)
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
        inputs = as_inputs(x, "x", self._info)
        self._announce_writes(keeps_pass=True)
        outputs = self._sessions.step(handles, inputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def session_bytes(self, max_batch: int = 1, max_time: int = 0) -> int:
        """The bytes that predicting `max_batch` samples at a time allocates, to the byte; allocates none.

        0 where a time dimension is open and `max_time` is 0: nothing is planned before the first run.
        """
        return self._handle.session_bytes(option_text(max_batch=max_batch, max_time=max_time))

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


def _refuse_shared_parameters(nodes: Sequence[LayerNode], info: dict[str, Any]) -> None:
    """Raises: ValueError if one layer with parameters is used twice, since each use would get its own."""
    seen: set[int] = set()
    for node, entry in zip(nodes, info["layers"]):
        if id(node.layer) in seen and entry["parameters"]:
            raise ValueError(
                f"{node.layer!r} is used twice in this model; layers do not share parameters: make one for each place"
            )
        seen.add(id(node.layer))
