"""ONNX Runtime's side: an inference workload as a step to call, through its Python interface with IOBinding."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import data
from workloads import Network, Workload

Step = Callable[[], object]


class Exporter:
    """A network as an ONNX graph `[N, C, H, W]` with random parameters."""

    def __init__(self, network: Network, with_state: bool) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.parameters: list[onnx.TensorProto] = []
        self.parameter_count = 0
        self.with_state = with_state
        self._generator = np.random.default_rng(1)
        names = ["x"]
        for index, node in enumerate(network.nodes[1:], start=1):
            inputs = [names[number] for number in node.inputs]
            names.append(self._layer(f"v{index}", node.kind, inputs, node.sizes))
        self.output = names[-1]

    def _parameter(self, name: str, *shape: int, ones: bool = False) -> str:
        fan_in = max(int(np.prod(shape[1:])), 1)
        values = self._generator.standard_normal(shape, dtype=np.float32) / np.float32(fan_in**0.5)
        self.parameter_count += values.size
        self.parameters.append(numpy_helper.from_array(np.ones_like(values) if ones else values, name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _layer(self, name: str, kind: str, inputs: list[str], sizes: dict) -> str:
        match kind:
            case "conv2d":
                kernel, filters = sizes["kernel"], sizes["filters"]
                inputs = [*inputs, self._parameter(f"{name}.w", filters, sizes["channels"], kernel, kernel)]
                if sizes["bias"]:
                    inputs.append(self._parameter(f"{name}.b", filters))
                return self._node("Conv", inputs, name, strides=[sizes["stride"]] * 2, pads=[sizes["pad"]] * 4)
            case "maxpool2d":
                size = [sizes["size"]] * 2
                strides, pads = [sizes["stride"]] * 2, [sizes["pad"]] * 4
                return self._node("MaxPool", inputs, name, kernel_shape=size, strides=strides, pads=pads)
            case "batchnorm":
                parts = [
                    self._parameter(f"{name}.{part}", sizes["channels"], ones=True) for part in ("s", "b", "m", "v")
                ]
                # Mean and variance are no parameters that training changes.
                self.parameter_count -= 2 * sizes["channels"]
                return self._node("BatchNormalization", [*inputs, *parts], name)
            case "activation":
                return self._node("Relu", inputs, name)
            case "add":
                return self._node("Add", inputs, name)
            case "globalavgpool2d":
                return self._node("Flatten", [self._node("GlobalAveragePool", inputs, f"{name}.mean")], name)
            case "flatten":
                return self._node("Flatten", inputs, name)
            case "dense":
                weight = self._parameter(f"{name}.w", sizes["units"], sizes["depth"])
                return self._node(
                    "Gemm", [*inputs, weight, self._parameter(f"{name}.b", sizes["units"])], name, transB=1
                )
            case "lstm":
                return self._lstm(name, inputs, sizes)
        raise ValueError(f"onnx_side builds no layer of kind {kind!r}; add a case for it")

    def _lstm(self, name: str, inputs: list[str], sizes: dict) -> str:
        """The last state of a sequence `[N, T, I]`; with a state, of its one step."""
        units, depth = sizes["units"], sizes["depth"]
        sequence = self._node("Transpose", inputs, f"{name}.time", perm=[1, 0, 2])
        weights = [
            self._parameter(f"{name}.w", 1, 4 * units, depth),
            self._parameter(f"{name}.r", 1, 4 * units, units),
            self._parameter(f"{name}.b", 1, 8 * units),
        ]
        state = ["", "h", "c"] if self.with_state else []
        outputs = ["", f"{name}.h"] + (["cell"] if self.with_state else [])
        self.nodes.append(helper.make_node("LSTM", [sequence, *weights, *state], outputs, hidden_size=units))
        self.parameters.append(numpy_helper.from_array(np.array([0], np.int64), f"{name}.axes"))
        return self._node("Squeeze", [f"{name}.h", f"{name}.axes"], name)


def prepare(workload: Workload, variant: str) -> tuple[Step, int]:
    """The workload's run, and how many parameters the model has."""
    network = workload.network()
    x, _ = data.batch(workload, network)
    if x.ndim == 4:
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    arrays, output_shapes = {"x": x}, {}
    with_state = workload.is_step
    exported = Exporter(network, with_state)
    output_shapes[exported.output] = (workload.batch, *network.output_shape)
    if with_state:
        state = (1, 1, *network.output_shape)
        arrays |= {"h": np.zeros(state, np.float32), "c": np.zeros(state, np.float32)}
        output_shapes["cell"] = state

    def values(shapes: dict) -> list:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]

    inputs = values({name: array.shape for name, array in arrays.items()})
    graph = helper.make_graph(exported.nodes, workload.name, inputs, values(output_shapes), exported.parameters)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    kept = []
    for name, array in arrays.items():
        kept.append(onnxruntime.OrtValue.ortvalue_from_numpy(array))
        binding.bind_ortvalue_input(name, kept[-1])
    for name, shape in output_shapes.items():
        kept.append(onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32))
        binding.bind_ortvalue_output(name, kept[-1])

    def run(_kept=kept) -> None:
        session.run_with_iobinding(binding)

    return run, exported.parameter_count
