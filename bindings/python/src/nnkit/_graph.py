"""The graph as Python objects, until a model adds it to the library's."""

from __future__ import annotations

import itertools
import threading
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._attributes import Fixed
from ._catalog import Described, Port
from ._handles import GraphHandle
from ._ports import DTYPES
from ._shown import shown

_LAYERS_OF_IMAGES = ("conv2d", "maxpool2d", "avgpool2d")

Shape = Sequence["int | None"]
"""A shape without the batch. None is an open time dimension."""


class _SerialNumbers:
    """Numbers for nodes. A node's is larger than those of its inputs, also where these came from another process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        with self._lock:
            self._last += 1
            return self._last

    def follow(self, number: int) -> None:
        """Numbers that are given from now on are larger than `number`."""
        with self._lock:
            self._last = max(self._last, number)


_serial_numbers = _SerialNumbers()


class Node:
    """An input, or one use of a layer."""

    __slots__ = ("inputs", "serial")

    def __init__(self, inputs: tuple[Value, ...]) -> None:
        self.serial = _serial_numbers.next()
        self.inputs = inputs

    def __reduce_ex__(self, protocol: Any) -> Any:
        inputs = [(value.node, value.index) for value in self.inputs]
        return _restored_node, (type(self), self.serial, inputs, *self._description())

    def _description(self) -> tuple[Any, ...]:
        """What `_describe` takes."""
        raise NotImplementedError

    def _describe(self, *description: Any) -> None:
        raise NotImplementedError


class InputNode(Node):
    """An input of the model."""

    __slots__ = ("dtype", "name", "shape")

    def __init__(self, shape: tuple[int | None, ...], dtype: str, name: str | None) -> None:
        super().__init__(())
        self._describe(shape, dtype, name)

    def _description(self) -> tuple[Any, ...]:
        return self.shape, self.dtype, self.name

    def _describe(self, shape: tuple[int | None, ...], dtype: str, name: str | None) -> None:
        self.shape, self.dtype, self.name = shape, dtype, name

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"Input({self.shape}, {self.dtype!r}{name})"


class LayerNode(Node):
    """One use of a layer."""

    __slots__ = ("layer",)

    def __init__(self, layer: Layer, inputs: tuple[Value, ...]) -> None:
        super().__init__(inputs)
        self._describe(layer)

    def _description(self) -> tuple[Any, ...]:
        return (self.layer,)

    def _describe(self, layer: Layer) -> None:
        self.layer = layer

    def __repr__(self) -> str:
        return repr(self.layer)


class Value(Fixed):
    """What flows from one layer to the next: an input, or an output of a layer.

    A copy, by `copy` or `pickle`, comes with copies of all that it needs: one graph is copied as a whole, inputs and
    outputs in one tuple.
    """

    __slots__ = ("__weakref__", "_index", "_node")

    _kind = "a value of a graph"

    def __init__(self, node: Node, index: int = 0) -> None:
        if not isinstance(node, Node):
            raise TypeError(f"values are what nn.Input and layers return; one cannot be made of {shown(node)}")
        self._node, self._index = node, index

    @property
    def node(self) -> Node:
        """What it comes from."""
        return self._node

    @property
    def index(self) -> int:
        """Which output of that it is."""
        return self._index

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Its shape, without the batch; None is an open time dimension.

        Raises: NNKitError for what is wrong with the layers before it.
        """
        return _shape_of(self)

    def __repr__(self) -> str:
        return f"<value of {self.node!r}>" if isinstance(self.node, LayerNode) else f"<{self.node!r}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        # All nodes in their order, so that none is reached through another: chains may be longer than Python's stack.
        return _restored_value, (_reachable([self]), self.node, self.index)


def _restored_value(_nodes: list[Node], node: Node, index: int) -> Value:
    return Value(node, index)


def _restored_node(kind: type[Node], serial: int, inputs: list[tuple[Node, int]], *description: Any) -> Node:
    """A copy keeps its number, which orders the layers of a model, and is a node of its own all the same."""
    node = kind.__new__(kind)
    node.serial = serial
    _serial_numbers.follow(serial)
    node.inputs = tuple(Value(source, index) for source, index in inputs)
    node._describe(*description)
    return node


class Layer(Described):
    """A layer and its options. Calling it with a value, or a list of values, adds it to a graph.

    A copy, by `copy` or `pickle`, has the same options and parameters of its own.
    """

    __slots__ = ()

    _kind = "a layer"

    def _refusal(self, name: str) -> str:
        entry = self._entry
        if name in [option.name for option in entry.options]:
            return (
                f"{entry.class_name}: '{name}' cannot be changed once the layer is made; "
                f"make a new one: nn.{entry.class_name}({name}=...)"
            )
        return super()._refusal(name)

    def __call__(self, inputs: Value | Sequence[Value]) -> Any:
        """The layer's output for `inputs`; a tuple if it has several."""
        entry = self._entry
        values = (inputs,) if isinstance(inputs, Value) else inputs
        if isinstance(values, (list, tuple)):
            # An optional input is left out at the end, or None there.
            optional = [port.count == "optional" for port in entry.inputs]
            while values and values[-1] is None and len(values) <= len(optional) and optional[len(values) - 1]:
                values = values[:-1]
        if not isinstance(values, (list, tuple)) or not all(isinstance(value, Value) for value in values):
            raise TypeError(
                f"{entry.class_name} was called with {_type_of(inputs)}; a layer is called with a value: what "
                f"nn.Input or another layer returned, or a list of these. Arrays go to the model that is built of it"
            )
        least, most = sum(port.count != "optional" for port in entry.inputs), len(entry.inputs)
        takes_many = entry.inputs[-1].count == "many"
        if len(values) < least or (len(values) > most and not takes_many):
            wanted = f"{least} or more" if takes_many else str(least) if least == most else f"{least} to {most}"
            names = ", ".join(port.text for port in entry.inputs)
            raise TypeError(f"{entry.class_name} takes {wanted} inputs ({names}), got {len(values)}")
        node = LayerNode(self, tuple(values))
        outputs = tuple(Value(node, index) for index in range(self._output_count))
        return outputs[0] if [port.count for port in entry.outputs] == ["one"] else outputs

    @property
    def _output_count(self) -> int:
        def count(port: Port) -> int:
            if port.count == "one":
                return 1
            numbers = self.options[port.count]
            return len(numbers) if isinstance(numbers, tuple) else 1

        return sum(map(count, self._entry.outputs))


def _type_of(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {', '.join(sorted({type(item).__name__ for item in value})) or 'nothing'}"
    return f"an object of type {type(value).__name__}"


def Input(shape: Shape, dtype: str | np.dtype[Any] | type = "float32", name: str | None = None) -> Value:
    """An input of a model.

    Arguments:
        shape: the sizes of one sample, without the batch; None is a time dimension left open.
        dtype: "float32" or "int32".
        name: its name in the model; by default "input", "input_1" and so on.
    """
    if name is not None and not isinstance(name, str):
        raise TypeError(f"an input's name is a string or None, got {shown(name)}")
    return Value(InputNode(checked_shape(shape), _dtype_name(dtype), name))


def checked_shape(shape: Any) -> tuple[int | None, ...]:
    """`shape` as a tuple of ints and None. Raises: TypeError."""
    problem = f"a shape is a tuple of integers, or None for an open time dimension, got {shown(shape)}"
    if isinstance(shape, (str, bytes)):
        raise TypeError(problem)
    try:
        sizes = tuple(shape)
    except TypeError:
        raise TypeError(f"{problem}; write ({shown(shape)},) for one dimension") from None
    for size in sizes:
        if size is not None and (isinstance(size, bool) or not hasattr(size, "__index__")):
            raise TypeError(problem)
    return tuple(None if size is None else size.__index__() for size in sizes)


def _dtype_name(dtype: Any) -> str:
    try:
        name = str(np.dtype(dtype).name)
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise TypeError(f"an input's dtype is 'float32' or 'int32', got {shown(dtype)}")
    return name


def build(inputs: Sequence[Value], outputs: Sequence[Value]) -> tuple[GraphHandle, list[LayerNode]]:
    """The library's graph with everything that `outputs` need, and its layers in the order of their making.

    Raises: ValueError if an output needs an input that is not among `inputs`; the graph's first error.
    """
    for value in inputs:
        if not isinstance(value.node, InputNode):
            raise ValueError(f"a model's inputs come from nn.Input, got {shown(value)}")
    if len({id(value.node) for value in inputs}) < len(inputs):
        raise ValueError("a model's inputs must differ: one is listed twice")

    graph = GraphHandle()
    values, layers = _add(graph, inputs, outputs)
    for index, value in enumerate(outputs):
        graph.output("output" if index == 0 else f"output_{index}", values[id(value.node), value.index])
    return graph, layers


def _add(
    graph: GraphHandle, inputs: Sequence[Value], outputs: Sequence[Value]
) -> tuple[dict[tuple[int, int], int], list[LayerNode]]:
    """Adds all that `outputs` need. The library's values by node and index, and the layers."""
    values: dict[tuple[int, int], int] = {}
    for value, name in zip(inputs, _input_names(inputs)):
        node = value.node
        assert isinstance(node, InputNode)
        shape = [-1 if size is None else size for size in node.shape]
        values[id(node), 0] = graph.input(name, DTYPES[node.dtype], shape)

    layers = []
    for node in _reachable(outputs):
        if isinstance(node, LayerNode):
            arguments = [values[id(value.node), value.index] for value in node.inputs]
            options = node.layer._text()
            for index, result in enumerate(graph.layer(node.layer.kind, options, arguments, node.layer._output_count)):
                values[id(node), index] = result
            layers.append(node)
        elif (id(node), 0) not in values:
            raise ValueError(f"the outputs need {node!r}, which is not among the model's inputs")
    return values, layers


def _shape_of(value: Value) -> tuple[int | None, ...]:
    graph = GraphHandle()
    inputs = [Value(node) for node in _reachable([value]) if isinstance(node, InputNode)]
    values, _ = _add(graph, inputs, [value])
    return graph.shape(values[id(value.node), value.index])


def warn_of_channels_first(layers: Sequence[LayerNode], stacklevel: int) -> None:
    """Warns where a layer of images is given what is an image only if its channels come first."""
    for node in layers:
        source = node.inputs[0].node if node.layer.kind in _LAYERS_OF_IMAGES else None
        if isinstance(source, InputNode) and len(source.shape) == 3:
            channels, height, width = source.shape
            if channels in (1, 3) and height == width and height is not None and height >= 16:
                warnings.warn(
                    f"{source!r} is an image of {channels} x {height} pixels with {width} channels: channels come "
                    f"last here; for {height} x {width} pixels write ({height}, {width}, {channels}), and move axis 1 "
                    f"of the images to the end: numpy.moveaxis(x, 1, -1)",
                    stacklevel=stacklevel + 1,
                )


def _input_names(inputs: Sequence[Value]) -> list[str]:
    given = [value.node.name if isinstance(value.node, InputNode) else None for value in inputs]
    taken = set(given)
    free = (
        name
        for name in itertools.chain(["input"], (f"input_{number}" for number in itertools.count(1)))
        if name not in taken
    )
    return [name or next(free) for name in given]


def _reachable(outputs: Sequence[Value]) -> list[Node]:
    """Every node that `outputs` need, each after those it needs itself."""
    found: dict[int, Node] = {}
    waiting = [value.node for value in outputs]
    while waiting:
        node = waiting.pop()
        if id(node) not in found:
            found[id(node)] = node
            waiting += [value.node for value in node.inputs]
    return sorted(found.values(), key=lambda node: node.serial)
