"""Every workload once: what is computed, on what shapes, and how many operations that takes at least.

A network is a list of nodes that no library owns; `nnkit_side`, `torch_side` and `onnx_side` each build it. Shapes are
without the batch, channels last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """One layer: its kind as nnkit's catalog names it, the nodes it reads, its sizes and its output's shape."""

    kind: str
    inputs: tuple[int, ...]
    sizes: dict[str, Any]
    shape: tuple[int, ...]
    macs: int = 0
    """Multiply-adds of one sample's forward pass."""


class Network:
    """A network under construction. Each method adds a node and returns its number; node 0 is the input."""

    def __init__(self, input_shape: tuple[int, ...], input_dtype: str = "float32") -> None:
        self.input_dtype = input_dtype
        self.nodes = [Node("input", (), {}, input_shape)]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.nodes[0].shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.nodes[-1].shape

    @property
    def kinds(self) -> set[str]:
        """The kinds of layer that it needs."""
        return {node.kind for node in self.nodes[1:]}

    def _add(self, kind: str, inputs: tuple[int, ...], shape: tuple[int, ...], macs: int = 0, **sizes: Any) -> int:
        self.nodes.append(Node(kind, inputs, sizes, shape, macs))
        return len(self.nodes) - 1

    def _window(self, x: int, size: int, stride: int, pad: int) -> tuple[int, int]:
        height, width, _ = self.nodes[x].shape
        return (height + 2 * pad - size) // stride + 1, (width + 2 * pad - size) // stride + 1

    def conv2d(self, x: int, filters: int, kernel: int, stride: int = 1, pad: int = 0, bias: bool = True) -> int:
        """A convolution with `pad` zeros on every side."""
        channels = self.nodes[x].shape[2]
        height, width = self._window(x, kernel, stride, pad)
        macs = height * width * filters * channels * kernel * kernel
        sizes = {"channels": channels, "filters": filters, "kernel": kernel, "stride": stride, "pad": pad, "bias": bias}
        return self._add("conv2d", (x,), (height, width, filters), macs, **sizes)

    def maxpool2d(self, x: int, size: int, stride: int, pad: int = 0) -> int:
        """The largest value of each window."""
        shape = (*self._window(x, size, stride, pad), self.nodes[x].shape[2])
        return self._add("maxpool2d", (x,), shape, size=size, stride=stride, pad=pad)

    def batchnorm(self, x: int) -> int:
        """Batch normalisation over the last axis."""
        return self._add("batchnorm", (x,), self.nodes[x].shape, channels=self.nodes[x].shape[-1])

    def relu(self, x: int) -> int:
        """`max(0, x)`."""
        return self._add("activation", (x,), self.nodes[x].shape)

    def add(self, x: int, y: int) -> int:
        """`x + y`."""
        return self._add("add", (x, y), self.nodes[x].shape)

    def globalavgpool2d(self, x: int) -> int:
        """The mean over all pixels."""
        return self._add("globalavgpool2d", (x,), self.nodes[x].shape[2:])

    def flatten(self, x: int) -> int:
        """One axis of all axes."""
        count = 1
        for size in self.nodes[x].shape:
            count *= size
        return self._add("flatten", (x,), (count,))

    def dense(self, x: int, units: int) -> int:
        """A fully connected layer on the last axis."""
        *outer, inputs = self.nodes[x].shape
        rows = 1
        for size in outer:
            rows *= size
        return self._add("dense", (x,), (*outer, units), rows * inputs * units, depth=inputs, units=units)

    def embedding(self, x: int, vocabulary: int, units: int) -> int:
        """A vector for each index."""
        return self._add("embedding", (x,), (*self.nodes[x].shape, units), vocabulary=vocabulary, units=units)

    def recurrent(self, kind: str, x: int, units: int, sequences: bool) -> int:
        """An "lstm" or a "gru": all states, or the last one."""
        time, inputs = self.nodes[x].shape
        macs = time * (inputs + units) * units * {"lstm": 4, "gru": 3}[kind]
        shape = (time, units) if sequences else (units,)
        return self._add(kind, (x,), shape, macs, depth=inputs, units=units, sequences=sequences)


@dataclass(frozen=True)
class Workload:
    """One row of the table."""

    name: str
    title: str
    network: Callable[[], Network]
    batch: int
    loss: str = ""
    """Empty for inference."""
    optimizer: str = ""
    """"adam" or "momentum" (SGD with momentum 0.9)."""
    large: bool = False
    """Whether its parallel efficiency is asked for."""
    is_step: bool = False
    """Whether a run is one time step, from a state to the next; `network` has one time step then."""
    indices: int = 0
    """Of int32 inputs and targets: how many values there are."""

    @property
    def trains(self) -> bool:
        return bool(self.loss)

    @property
    def operations(self) -> int:
        """Floating-point operations of one step in direct arithmetic, two for each multiply-add of the products.

        Training takes each product three times, but for the first layer's input gradient, which nobody needs.
        """
        nodes = self.network().nodes
        forward = sum(node.macs for node in nodes)
        if not self.trains:
            return 2 * forward * self.batch
        unneeded = 0
        for node in nodes:
            if node.macs and node.inputs == (0,):
                inputs, units = node.sizes.get("depth", 0), node.sizes.get("units", 0)
                recurrent = node.kind in ("lstm", "gru")
                unneeded += node.macs * inputs // (inputs + units) if recurrent else node.macs
        return 2 * (3 * forward - unneeded) * self.batch


def _lenet() -> Network:
    net = Network((28, 28, 1))
    x = net.relu(net.conv2d(0, 32, 3, pad=1))
    x = net.maxpool2d(x, 2, 2)
    x = net.relu(net.conv2d(x, 64, 3, pad=1))
    x = net.maxpool2d(x, 2, 2)
    x = net.relu(net.dense(net.flatten(x), 128))
    net.dense(x, 10)
    return net


def _residual_block(net: Network, x: int, filters: int, stride: int) -> int:
    y = net.conv2d(x, filters, 3, stride, pad=1, bias=False)
    y = net.relu(net.batchnorm(y))
    y = net.batchnorm(net.conv2d(y, filters, 3, pad=1, bias=False))
    if stride != 1 or net.nodes[x].shape[2] != filters:
        x = net.batchnorm(net.conv2d(x, filters, 1, stride, bias=False))
    return net.relu(net.add(y, x))


def _resnet20() -> Network:
    net = Network((32, 32, 3))
    x = net.relu(net.batchnorm(net.conv2d(0, 16, 3, pad=1, bias=False)))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            x = _residual_block(net, x, filters, 2 if stage and not block else 1)
    net.dense(net.globalavgpool2d(x), 10)
    return net


def _resnet18() -> Network:
    net = Network((224, 224, 3))
    x = net.relu(net.batchnorm(net.conv2d(0, 64, 7, 2, pad=3, bias=False)))
    x = net.maxpool2d(x, 3, 2, pad=1)
    for stage, filters in enumerate((64, 128, 256, 512)):
        for block in range(2):
            x = _residual_block(net, x, filters, 2 if stage and not block else 1)
    net.dense(net.globalavgpool2d(x), 1000)
    return net


VOCABULARY = 96


def _char_lstm() -> Network:
    net = Network((64,), "int32")
    x = net.embedding(0, VOCABULARY, 128)
    x = net.recurrent("lstm", x, 512, sequences=True)
    x = net.recurrent("lstm", x, 512, sequences=True)
    net.dense(x, VOCABULARY)
    return net


def _char_gru() -> Network:
    net = Network((64,), "int32")
    x = net.recurrent("gru", net.embedding(0, VOCABULARY, 64), 256, sequences=True)
    net.dense(x, VOCABULARY)
    return net


def _sequence_regression() -> Network:
    net = Network((50, 8))
    net.dense(net.recurrent("lstm", 0, 64, sequences=False), 1)
    return net


def _lstm_step() -> Network:
    net = Network((1, 64))
    net.recurrent("lstm", 0, 256, sequences=False)
    return net


CLASSES = "softmax_cross_entropy"

WORKLOADS = [
    Workload("lenet-train", "LeNet-like CNN, train, batch 64", _lenet, 64, CLASSES, "adam", indices=10),
    Workload("lenet-run", "LeNet-like CNN, inference, batch 1", _lenet, 1),
    Workload(
        "resnet20-train", "ResNet-20, train, batch 128", _resnet20, 128, CLASSES, "momentum", large=True, indices=10
    ),
    Workload(
        "resnet18-train", "ResNet-18, train, batch 8", _resnet18, 8, CLASSES, "momentum", large=True, indices=1000
    ),
    Workload("resnet18-run", "ResNet-18, inference, batch 1", _resnet18, 1, large=True),
    Workload(
        "char-lstm-train", "char LSTM 2x512, train, batch 32", _char_lstm, 32, CLASSES, "adam", True, indices=VOCABULARY
    ),
    Workload("char-gru-train", "char GRU 256, train, batch 32", _char_gru, 32, CLASSES, "adam", indices=VOCABULARY),
    Workload(
        "sequence-train",
        "LSTM 8-64 regression, train, batch 32",
        _sequence_regression,
        32,
        "mean_squared_error",
        "adam",
    ),
    Workload("sequence-run", "LSTM 8-64 regression, inference, batch 1", _sequence_regression, 1),
    Workload("lstm-step", "one LSTM step 64-256, batch 1", _lstm_step, 1, is_step=True),
]

BY_NAME = {workload.name: workload for workload in WORKLOADS}
