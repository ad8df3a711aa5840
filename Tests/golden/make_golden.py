#!/usr/bin/env python3
"""Makes the golden values that the engine's tests compare with, by float64 PyTorch.

    make_golden.py [folder]        (default: ../NNKitTests/Fixtures beside this file)

Inputs, weights and output gradients are float32 random numbers from a fixed seed, so they are exact in float64.
References are computed in float64 and rounded to float32 once. The same versions on the same machine give the same
files, bit for bit (one thread, deterministic algorithms, a generator of its own for every case).

Each group becomes one safetensors file with the metadata {"cases": "<JSON array>"}. A case has "name", "kind" and
"options"; its tensors are called "<case>/...":

layers      "inputs" (names): input0, input1, ...; every parameter by its name (kernel, bias, recurrent_kernel,
            embeddings); output, dOutput, or, of a layer that may have several, output0, dOutput0, ...; dInput0, ...
            (of float32 inputs), d_kernel, d_bias, ...; of a parameter that is not trainable (moving_mean,
            moving_variance), d_... is its next value; inference: the output at inference, where it differs from that
            in training
losses      prediction, target, loss (shape [1]), d_prediction
optimizers  "layer": {"kind", "options", "input"}, whose parameters they are, and "steps": initial/kernel,
            initial/bias; for each step s = 0, 1, ...: gradient<s>/kernel, after<s>/kernel and the same for the bias.
            The gradients are those before clipping; the options lack the trainer's loss.
networks    "inputs": [{"name", "dtype", "shape" (with the batch)}], "layers": [{"kind", "options", "inputs"}], the
            last of which is the output, and "loss"; in some "real", the layers whose steps behind the lengths are no
            data (they count in no mean, and are zeros to a layer that mixes steps): input0, ..., target, output,
            loss; every parameter by its full name, "<case>/conv_a/kernel", and its gradient, "<case>/d_conv_a/kernel"

No value lies where float32 could take another branch than float64 (kinks of activations, ties in pools), and no
reference cancels to almost nothing: such a case is drawn again. A reference that is zero throughout is exact (the
gradient of a recurrent kernel over a single time step).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

import cases
import references
from references import Margin

SEED = 20240607
SMALLEST_MARGIN = 2e-4
SMALLEST_REFERENCE = 0.02
ATTEMPTS = 200

Arrays = dict[str, np.ndarray]


class Unsuitable(Exception):
    """The numbers drawn for a case come too close to a branch or cancel."""


def normal(generator: np.random.Generator, shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
    return (generator.standard_normal(shape) * scale).astype(np.float32)


def exact(array: np.ndarray) -> torch.Tensor:
    """The array in PyTorch: float32 as float64 with a gradient, integers as they are."""
    if array.dtype == np.float32:
        return torch.tensor(array, dtype=torch.float64, requires_grad=True)
    return torch.tensor(array)


def rounded(tensor: torch.Tensor) -> np.ndarray:
    """float64 to float32, rounded once. Raises: Unsuitable where the numbers almost cancel."""
    array = tensor.detach().numpy().astype(np.float32)
    if not np.isfinite(array).all() or 0 < np.abs(array).max() < SMALLEST_REFERENCE:
        raise Unsuitable
    return np.ascontiguousarray(array)


def check(margin: Margin) -> None:
    if margin.smallest < SMALLEST_MARGIN:
        raise Unsuitable


def draw_parameters(
    generator: np.random.Generator, kind: str, options: references.Options, input_shape: tuple[int, ...]
) -> Arrays:
    """Parameters whose layer gives outputs of about the size of its inputs."""
    result: Arrays = {}
    for name, shape in references.parameter_shapes(kind, options, input_shape).items():
        if name in ("gamma", "moving_variance"):
            result[name] = generator.uniform(0.5, 2.0, shape).astype(np.float32)
            continue
        fan_in = 1 if name in ("bias", "recurrent_bias", "embeddings") else int(np.prod(shape[:-1]))
        result[name] = normal(generator, shape, (0.5 if name.endswith("bias") else 1.0) / fan_in**0.5)
    return result


def layer_case(kind: str, options: str, inputs: Arrays, generator: np.random.Generator) -> Arrays:
    parsed = references.parse(options)
    arrays = list(inputs.values())
    parameters = draw_parameters(generator, kind, parsed, arrays[0].shape)
    margin = Margin()
    leaves = [exact(array) for array in arrays]
    weights = {name: exact(array) for name, array in parameters.items()}
    result = references.layer(kind, parsed, leaves, weights, margin)
    check(margin)
    outputs = result if isinstance(result, tuple) else (result,)
    d_outputs = [normal(generator, tuple(output.shape)) for output in outputs]
    torch.autograd.backward(outputs, [torch.tensor(d_output, dtype=torch.float64) for d_output in d_outputs])
    tensors = {f"input{i}": array for i, array in enumerate(arrays)}
    tensors |= parameters
    for i, (output, d_output) in enumerate(zip(outputs, d_outputs, strict=True)):
        number = i if isinstance(result, tuple) else ""
        tensors |= {f"output{number}": rounded(output), f"dOutput{number}": d_output}
    for i, leaf in enumerate(leaves):
        if leaf.requires_grad:
            tensors[f"dInput{i}"] = rounded(leaf.grad)
    state = references.next_state(kind, parsed, leaves[0], weights)
    for name, weight in weights.items():
        tensors[f"d_{name}"] = rounded(state[name] if name in state else weight.grad)
    inference = references.inference(kind, parsed, leaves[0], weights)
    if inference is not None:
        tensors["inference"] = rounded(inference)
    return tensors


def loss_case(kind: str, shape: tuple[int, ...], generator: np.random.Generator) -> Arrays:
    prediction = normal(generator, shape, 2.0)
    if kind == "softmax_cross_entropy":
        target = generator.integers(0, shape[-1], shape[:-1], dtype=np.int32)
    else:
        target = normal(generator, shape)
    leaf = exact(prediction)
    value = references.loss(kind, leaf, exact(target).detach())
    value.backward()
    return {
        "prediction": prediction,
        "target": target,
        "loss": rounded(value.reshape(1)),
        # One row of a large mean has a small gradient; its relative error is what counts, so no size is asked for.
        "d_prediction": leaf.grad.numpy().astype(np.float32),
    }


OPTIMIZER_LAYER = {"kind": "dense", "options": "units=5", "input": [7]}
OPTIMIZER_STEPS = 5


def optimizer_case(options: str, generator: np.random.Generator) -> Arrays:
    parsed = references.parse(options)
    number = {key: float(value) for key, value in parsed.items() if key not in ("optimizer", "nesterov")}
    initial = {"kernel": normal(generator, (7, 5)), "bias": normal(generator, (5,))}
    weights = {name: exact(array) for name, array in initial.items()}
    shared = {"lr": number["learning_rate"], "weight_decay": number.get("weight_decay", 0.0)}
    if parsed["optimizer"] == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            weights.values(), momentum=number.get("momentum", 0.0), nesterov=parsed.get("nesterov") == "true", **shared
        )
    else:
        betas = (number.get("beta1", 0.9), number.get("beta2", 0.999))
        optimizer = torch.optim.Adam(weights.values(), betas=betas, eps=number.get("epsilon", 1e-7), **shared)
    tensors = {f"initial/{name}": array for name, array in initial.items()}
    for step in range(OPTIMIZER_STEPS):
        gradients = {name: normal(generator, array.shape) for name, array in initial.items()}
        norm = np.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients.values()))
        # PyTorch's own clipping adds 1e-6 to the norm; the definition has no such term.
        scale = min(1.0, number["clip_norm"] / norm) if "clip_norm" in number else 1.0
        for name, gradient in gradients.items():
            tensors[f"gradient{step}/{name}"] = gradient
            weights[name].grad = torch.tensor(gradient, dtype=torch.float64) * scale
        optimizer.step()
        for name, weight in weights.items():
            tensors[f"after{step}/{name}"] = rounded(weight)
    return tensors


def network_case(network: dict, generator: np.random.Generator) -> Arrays:
    tensors: Arrays = {}
    values: dict[str, torch.Tensor] = {}
    vocabulary = next((int(references.parse(o)["vocabulary"]) for k, o, _ in network["layers"] if k == "embedding"), 0)
    for index, (name, (dtype, shape)) in enumerate(network["inputs"].items()):
        if dtype == "float32":
            array = normal(generator, shape)
        elif name == "lengths":
            longest = network["inputs"]["x"][1][1]
            array = generator.integers(1, longest, shape, dtype=np.int32, endpoint=True)
        else:
            array = generator.integers(0, vocabulary, shape, dtype=np.int32)
        tensors[f"input{index}"] = array
        values[name] = exact(array)
    margin = Margin()
    # Of each sequence: which of its steps are data.
    real = None
    if names := network.get("real"):
        steps = torch.arange(network["inputs"]["x"][1][1])
        real = steps[None, :] < values["lengths"][:, None]
    weights: dict[str, torch.Tensor] = {}
    state: dict[str, torch.Tensor] = {}
    output = None
    for kind, options, inputs in network["layers"]:
        parsed = references.parse(options)
        parameters = draw_parameters(generator, kind, parsed, tuple(values[inputs[0]].shape))
        own = {name: exact(array) for name, array in parameters.items()}
        for name, array in parameters.items():
            tensors[f"{parsed['name']}/{name}"] = array
            weights[f"{parsed['name']}/{name}"] = own[name]
        if real is not None and inputs[0] in names:
            if kind in ("lstm", "gru"):
                inputs = [*inputs, "lengths"]
            if kind == "flatten":
                values[inputs[0]] = values[inputs[0]] * real[:, :, None]
        rows = real if real is not None and parsed["name"] in names else None
        output = references.layer(kind, parsed, [values[name] for name in inputs], own, margin, rows)
        for name, value in references.next_state(kind, parsed, values[inputs[0]], own, rows).items():
            state[f"{parsed['name']}/{name}"] = value
        values[parsed["name"]] = output
    check(margin)
    if network["loss"] == "softmax_cross_entropy":
        target = generator.integers(0, output.shape[-1], tuple(output.shape[:-1]), dtype=np.int32)
    else:
        target = normal(generator, tuple(output.shape))
    goal = exact(target).detach()
    counts = real is not None and parsed["name"] in names
    value = references.loss(network["loss"], output[real] if counts else output, goal[real] if counts else goal)
    value.backward()
    tensors |= {"target": target, "output": rounded(output), "loss": rounded(value.reshape(1))}
    for name, weight in weights.items():
        tensors[f"d_{name}"] = (state[name] if name in state else weight.grad).numpy().astype(np.float32)
    return tensors


class Group:
    """The cases of one file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cases: list[dict] = []
        self.tensors: Arrays = {}

    def add(self, kind: str, options: str, make, stem: str | None = None, **more) -> None:
        """Adds one case; `make` draws it from a generator, again and again until the numbers suit."""
        number = sum(case["kind"] == kind for case in self.cases)
        name = stem or f"{kind}_{number:03}"
        for attempt in range(ATTEMPTS):
            key = [SEED, attempt, *f"{self.name}/{name}".encode()]
            try:
                tensors = make(np.random.default_rng(key))
                break
            except Unsuitable:
                continue
        else:
            raise SystemExit(f"{name}: no suitable numbers in {ATTEMPTS} attempts; change the case or its scale")
        self.cases.append({"name": name, "kind": kind, "options": options, **more})
        self.tensors |= {f"{name}/{key}": np.ascontiguousarray(array) for key, array in tensors.items()}

    def add_layer(self, kind: str, options: str, draw_inputs) -> None:
        """Adds a layer; `draw_inputs` draws its inputs by name."""
        names = list(draw_inputs(np.random.default_rng(0)))
        self.add(kind, options, lambda g: layer_case(kind, options, draw_inputs(g), g), inputs=names)

    def write(self, folder: Path) -> int:
        path = folder / f"{self.name}.safetensors"
        save_file(self.tensors, path, metadata={"cases": json.dumps(self.cases)})
        print(f"{self.name:12} {len(self.cases):4} cases {path.stat().st_size:9} bytes")
        return path.stat().st_size


def spread(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers for activations: most within ±6, one in eight far out."""
    array = normal(generator, shape, 2.0)
    array[generator.random(shape) < 0.125] *= 8
    return array


def groups() -> list[Group]:
    convolution, pooling, dense = Group("convolution"), Group("pooling"), Group("dense")
    elementwise, embedding, lstm = Group("elementwise"), Group("embedding"), Group("lstm")
    losses, optimizers, networks = Group("losses"), Group("optimizers"), Group("networks")
    residual, batchnorm, gru = Group("residual"), Group("batchnorm"), Group("gru")
    residual_networks, gru_networks = Group("residual_networks"), Group("gru_networks")
    embedded_networks, sequence_networks = Group("embedded_networks"), Group("sequence_networks")
    grouped, shapes = Group("grouped_convolution"), Group("shapes")

    for shape, options in cases.CONVOLUTIONS:
        convolution.add_layer("conv2d", options, lambda g, s=shape: {"x": normal(g, s)})
    for shape, options in cases.GROUPED_CONVOLUTIONS:
        grouped.add_layer("conv2d", options, lambda g, s=shape: {"x": normal(g, s)})
    for shape, options in cases.POOLINGS:
        pooling.add_layer("maxpool2d", options, lambda g, s=shape: {"x": normal(g, s)})
    for shape, options in cases.POOLINGS + cases.COUNTED_AVERAGES:
        pooling.add_layer("avgpool2d", options, lambda g, s=shape: {"x": normal(g, s)})
    for shape, options in cases.DENSE:
        dense.add_layer("dense", options, lambda g, s=shape: {"x": normal(g, s)})
    for kind, shape, options in cases.ELEMENTWISE:
        elementwise.add_layer(kind, options, lambda g, s=shape: {"x": spread(g, s)})
    for shape, options in cases.EMBEDDINGS:
        top = int(references.parse(options)["vocabulary"])
        embedding.add_layer("embedding", options, lambda g, s=shape, v=top: {"x": g.integers(0, v, s, dtype=np.int32)})
    for shape, options, lengths in cases.LSTMS:
        extra = {} if lengths is None else {"lengths": np.array(lengths, dtype=np.int32)}
        lstm.add_layer("lstm", options, lambda g, s=shape, e=extra: {"x": normal(g, s), **e})
    for shape, options in cases.ADDITIONS:
        residual.add_layer("add", options, lambda g, s=shape: {"x": normal(g, s), "y": normal(g, s)})
    for kind, sizes, options in cases.SHAPES:
        shapes.add_layer(kind, options, lambda g, s=sizes: {f"x{i}": normal(g, shape) for i, shape in enumerate(s)})
    for shape in cases.GLOBAL_POOLINGS:
        residual.add_layer("globalavgpool2d", "", lambda g, s=shape: {"x": normal(g, s)})
    for shape, options in cases.BATCH_NORMS:
        batchnorm.add_layer("batchnorm", options, lambda g, s=shape: {"x": normal(g, s, 2.0) + np.float32(1.5)})
    for shape, options, lengths in cases.GRUS:
        extra = {} if lengths is None else {"lengths": np.array(lengths, dtype=np.int32)}
        for after in ("", " reset_after=true"):
            gru.add_layer("gru", options + after, lambda g, s=shape, e=extra: {"x": normal(g, s), **e})
    for kind, shape in cases.LOSSES:
        losses.add(kind, "", lambda g, k=kind, s=shape: loss_case(k, s, g))
    for options in cases.OPTIMIZERS:
        optimizers.add(
            "optimizer",
            options,
            lambda g, o=options: optimizer_case(o, g),
            layer=OPTIMIZER_LAYER,
            steps=OPTIMIZER_STEPS,
        )
    whole = [(networks, network) for network in cases.NETWORKS]
    whole += [(residual_networks, network) for network in cases.RESIDUAL_NETWORKS]
    whole += [(gru_networks, network) for network in cases.GRU_NETWORKS]
    whole += [(embedded_networks, network) for network in cases.EMBEDDED_NETWORKS]
    whole += [(sequence_networks, network) for network in cases.SEQUENCE_NETWORKS]
    for group, network in whole:
        inputs = [{"name": n, "dtype": d, "shape": list(s)} for n, (d, s) in network["inputs"].items()]
        layers = [{"kind": k, "options": o, "inputs": i} for k, o, i in network["layers"]]
        group.add(
            "network",
            "",
            lambda g, n=network: network_case(n, g),
            stem=f"network_{network['title']}",
            inputs=inputs,
            layers=layers,
            loss=network["loss"],
        )
    layer_groups = [convolution, pooling, dense, elementwise, embedding, lstm, residual, batchnorm, gru]
    layer_groups += [grouped, shapes]
    networks_groups = [networks, residual_networks, gru_networks, embedded_networks, sequence_networks]
    return [*layer_groups, losses, optimizers, *networks_groups]


def main() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    here = Path(__file__).resolve().parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "NNKitTests" / "Fixtures"
    folder.mkdir(parents=True, exist_ok=True)
    made = groups()
    total = sum(group.write(folder) for group in made)
    layers = sum("inputs" in case and "loss" not in case for group in made for case in group.cases)
    print(f"{layers} layer configurations, {sum(len(g.cases) for g in made)} cases, {total} bytes")


if __name__ == "__main__":
    main()
