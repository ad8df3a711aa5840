"""Our side: a workload as a step to call, built through nnkit's public Python interface."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

import nnkit as nn
from nnkit import _arrays, _handles

import data
from workloads import BY_NAME, Network, Workload

LEARNING_RATE = 1e-3
Step = Callable[[], object]


class MissingLayerError(Exception):
    """A workload needs layers that the library does not have."""


def build(network: Network) -> nn.Model:
    """The network as a model. Raises: MissingLayerError."""
    missing = network.kinds - {layer["kind"] for layer in nn.catalog()["layers"]}
    if missing:
        raise MissingLayerError(f"the library has no layer {', '.join(sorted(missing))}")
    values = [nn.Input(network.input_shape, network.input_dtype)]
    for node in network.nodes[1:]:
        inputs = [values[index] for index in node.inputs]
        values.append(_layer(node.kind, node.sizes)(inputs[0] if len(inputs) == 1 else inputs))
    return nn.Model(values[0], values[-1], seed=1)


def _layer(kind: str, sizes: dict) -> nn.Layer:
    match kind:
        case "conv2d":
            return nn.Conv2D(
                sizes["filters"],
                sizes["kernel"],
                stride=sizes["stride"],
                padding=(sizes["pad"],) * 4,
                bias=sizes["bias"],
            )
        case "maxpool2d":
            return nn.MaxPool2D(sizes["size"], stride=sizes["stride"], padding=(sizes["pad"],) * 4)
        case "batchnorm":
            return nn.BatchNorm()
        case "activation":
            return nn.Activation("relu")
        case "add":
            return nn.Add()
        case "globalavgpool2d":
            return nn.GlobalAvgPool2D()
        case "flatten":
            return nn.Flatten()
        case "dense":
            return nn.Dense(sizes["units"])
        case "embedding":
            return nn.Embedding(sizes["vocabulary"], sizes["units"])
        case "lstm" | "gru":
            recurrent = nn.LSTM if kind == "lstm" else nn.GRU
            return recurrent(sizes["units"], return_sequences=sizes["sequences"])
    raise ValueError(f"nnkit_side builds no layer of kind {kind!r}; add a case for it")


def prepare(workload: Workload, variant: str) -> tuple[Step, int]:
    """The workload's step, and how many parameters the model has. nnkit has one variant."""
    network = workload.network()
    model = build(network)
    x, y = data.batch(workload, network)
    if workload.is_step:
        return _step_call(model, x[:, 0]), model.parameter_count
    if not workload.trains:
        return _session_call(model, x), model.parameter_count
    optimizer = nn.Adam(LEARNING_RATE) if workload.optimizer == "adam" else nn.SGD(LEARNING_RATE, momentum=0.9)
    model.compile(optimizer, loss=workload.loss)
    return lambda: model.train_on_batch(x, y), model.parameter_count


def _session_call(model: nn.Model, x: object) -> Step:
    """A run whose views are made once, as ONNX Runtime's are by its IOBinding: the C call is what is left."""
    y = model.predict(x, batch_size=len(x))
    session = _handles.SessionHandle(model._handle, f"max_batch={len(x)}")
    inputs, outputs = _arrays.Views([x]), _arrays.Views([y])
    arguments = (
        ctypes.c_void_p(session.pointer),
        inputs.pointer,
        ctypes.c_int32(1),
        outputs.pointer,
        ctypes.c_int32(1),
    )
    function = _handles.library.nnk_session_run

    def run(_kept=(session, inputs, outputs)) -> None:
        _handles.check(function(*arguments))

    return run


def _step_call(model: nn.Model, x: object) -> Step:
    """One step of streams that go on and on, with views made once as in `_session_call`."""
    streams = [model.stream() for _ in x]
    y = model.step(streams, x)
    session = _handles.SessionHandle(model._handle, f"max_batch={len(x)}")
    inputs, outputs = _arrays.Views([x]), _arrays.Views([y])
    handles = (ctypes.c_void_p * len(x))(*(stream._handle.pointer for stream in streams))
    arguments = (
        ctypes.c_void_p(session.pointer),
        handles,
        ctypes.c_int32(len(x)),
        inputs.pointer,
        ctypes.c_int32(1),
        outputs.pointer,
        ctypes.c_int32(1),
    )
    function = _handles.library.nnk_streams_step

    def run(_kept=(session, inputs, outputs, streams)) -> None:
        _handles.check(function(*arguments))

    return run


if __name__ == "__main__":
    # `nnkit_side.py workload path` saves the workload's model, for programs in C to load.
    chosen = BY_NAME[sys.argv[1]]
    build(chosen.network()).save(sys.argv[2])
