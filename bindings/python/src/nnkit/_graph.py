"""The graph as Python objects, until a model adds it to the library's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._arrays import DTYPES
from ._catalog import Described
from ._handles import GraphHandle

_serial_numbers = itertools.count()

Shape = Sequence["int | None"]
"""A shape without the batch. None is an open time dimension."""


class Node:
    """An input, or one use of a layer."""

    def __init__(self, inputs: tuple[Value, ...]) -> None:
        # Nodes are made after their inputs, so that the order of these numbers is a topological one.
        self.serial = next(_serial_numbers)
        self.inputs = inputs


class InputNode(Node):
    """An input of the model."""

    def __init__(self, shape: tuple[int | None, ...], dtype: str, name: str | None) -> None:
        super().__init__(())
        self.shape, self.dtype, self.name = shape, dtype, name

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"Input({self.shape}, {self.dtype!r}{name})"


class LayerNode(Node):
    """One use of a layer."""

    def __init__(self, layer: Layer, inputs: tuple[Value, ...]) -> None:
        super().__init__(inputs)
        self.layer = layer

    def __repr__(self) -> str:
        return repr(self.layer)


class Value:
    """What flows from one layer to the next: an input, or an output of a layer."""

    __slots__ = ("index", "node")

    def __init__(self, node: Node, index: int = 0) -> None:
        self.node, self.index = node, index

    def __repr__(self) -> str:
        return f"<value of {self.node!r}>" if isinstance(self.node, LayerNode) else f"<{self.node!r}>"


class Layer(Described):
    """A layer and its options. Calling it with a value, or a list of values, adds it to a graph."""

    def __call__(self, inputs: Value | Sequence[Value]) -> Any:
        """The layer's output for `inputs`; a tuple if it has several."""
        entry = self._entry
        values = (inputs,) if isinstance(inputs, Value) else inputs
        if not isinstance(values, (list, tuple)) or not all(isinstance(value, Value) for value in values):
            raise TypeError(
                f"{entry.class_name} was called with {_type_of(inputs)}; a layer is called with a value: what "
                f"nn.Input or another layer returned, or a list of these. Arrays go to the model that is built of it"
            )
        least, most = len(entry.inputs), len(entry.inputs) + len(entry.optional_inputs)
        if not least <= len(values) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            names = ", ".join([*entry.inputs, *(f"{name} (optional)" for name in entry.optional_inputs)])
            raise TypeError(f"{entry.class_name} takes {wanted} inputs ({names}), got {len(values)}")
        node = LayerNode(self, tuple(values))
        outputs = tuple(Value(node, index) for index in range(len(entry.outputs)))
        return outputs[0] if len(outputs) == 1 else outputs


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
    return Value(InputNode(checked_shape(shape), _dtype_name(dtype), name))


def checked_shape(shape: Any) -> tuple[int | None, ...]:
    """`shape` as a tuple of ints and None. Raises: TypeError."""
    problem = f"a shape is a tuple of integers, or None for an open time dimension, got {shape!r}"
    if isinstance(shape, (str, bytes)):
        raise TypeError(problem)
    try:
        sizes = tuple(shape)
    except TypeError:
        raise TypeError(f"{problem}; write ({shape!r},) for one dimension") from None
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
        raise TypeError(f"an input's dtype is 'float32' or 'int32', got {dtype!r}")
    return name


def build(inputs: Sequence[Value], outputs: Sequence[Value]) -> tuple[GraphHandle, list[LayerNode]]:
    """The library's graph with everything that `outputs` need, and its layers in the order of their making.

    Raises: ValueError if an output needs an input that is not among `inputs`; the graph's first error.
    """
    for value in inputs:
        if not isinstance(value.node, InputNode):
            raise ValueError(f"a model's inputs come from nn.Input, got {value!r}")
    if len({value.node.serial for value in inputs}) < len(inputs):
        raise ValueError("a model's inputs must differ: one is listed twice")

    graph = GraphHandle()
    values: dict[tuple[int, int], int] = {}
    for value, name in zip(inputs, _input_names(inputs)):
        node = value.node
        assert isinstance(node, InputNode)
        shape = [-1 if size is None else size for size in node.shape]
        values[node.serial, 0] = graph.input(name, DTYPES[node.dtype], shape)

    layers = []
    for node in _reachable(outputs):
        if isinstance(node, LayerNode):
            arguments = [values[value.node.serial, value.index] for value in node.inputs]
            options = " ".join(node.layer._texts)
            count = len(node.layer._entry.outputs)
            for index, result in enumerate(graph.layer(node.layer.kind, options, arguments, count)):
                values[node.serial, index] = result
            layers.append(node)
        elif (node.serial, 0) not in values:
            raise ValueError(f"the outputs need {node!r}, which is not among the model's inputs")
    for index, value in enumerate(outputs):
        graph.output("output" if index == 0 else f"output_{index}", values[value.node.serial, value.index])
    return graph, layers


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
        if node.serial not in found:
            found[node.serial] = node
            waiting += [value.node for value in node.inputs]
    return [found[serial] for serial in sorted(found)]
