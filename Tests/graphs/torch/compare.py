"""Computes random graphs again with float64 PyTorch: outputs at inference, and five training steps.

    random-graphs --export --graphs 2000 | python compare.py

Of the engine, each step is compared from the engine's own parameters: PyTorch's gradients with the engine's, and what
PyTorch's optimizer makes of the engine's gradients with the engine's parameters. Of the reference in double precision,
five steps on end are compared. Nothing is taken from either but the graph, its data and the masks of dropout; which
steps of a sequence count is worked out here again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "golden"))
import references

ENGINE_BOUND = 1e-4
# Where a graph amplifies rounding (a batch norm over rows that are nearly the same): times what noise moves.
NOISE_FACTOR = 12
REFERENCE_BOUND = 1e-7
PER_STEP = {"add", "activation", "dropout", "embedding"}
PER_ROW = {"dense", "batchnorm", "softmax", "log_softmax"}
ALONG_AXIS = {"concat", "split", "slice"}
REPEATED = {"multiply", "subtract"}
RECURRENT = {"lstm", "gru"}

# At its corner this library's has the slope of the right side, PyTorch's that of the left one.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
references.ACTIVATIONS["selu"] = lambda x: SELU_SCALE * torch.where(x < 0, SELU_ALPHA * torch.expm1(x), x)


def exact(values: list, dtype=torch.float64) -> Tensor:
    """Missing numbers are those behind lengths."""
    return torch.tensor([float("nan") if value is None else value for value in values], dtype=dtype)


class Network:
    """A graph as PyTorch computes it."""

    def __init__(self, record: dict) -> None:
        self.record = record
        self.layers = record["layers"]
        for layer in self.layers:
            layer["parsed"] = references.parse(layer["options"])
        self.inputs = {i["id"]: exact(i["values"]).reshape(i["shape"]) for i in record["inputs"]}
        self.shapes = {i["id"]: i["declared"] for i in record["inputs"]}
        for layer in self.layers:
            self.shapes.update(zip(layer["outputs"], layer["shapes"], strict=True))
        self.lengths = self._lengths()
        self.parameters: dict[int, Tensor] = {}
        self.state: dict[int, Tensor] = {}

    def _steps(self, layer: dict) -> list[bool]:
        """Of each input: whether it has the steps, along the first axis, of which those of the outputs are made."""
        if layer["kind"] in REPEATED:
            after = layer["shapes"][0]
            return [len(after) > 1 and len(self.shapes[i]) == len(after) and self.shapes[i][0] == after[0]
                    for i in layer["inputs"]]  # fmt: skip
        return [self._is_per_step(layer)] * len(layer["inputs"])

    def _is_per_step(self, layer: dict) -> bool:
        kind, options = layer["kind"], layer["parsed"]
        before, after = self.shapes[layer["inputs"][0]], layer["shapes"][0]
        if kind in ALONG_AXIS:
            return int(options["axis"]) % len(before) != 0
        if kind == "permute":
            return len(before) > 1 and int(options["axes"].split(",")[0]) % len(before) == 0
        if kind == "reshape":
            return len(before) > 1 and len(after) > 1 and before[0] == after[0]
        return kind in PER_STEP or (kind in PER_ROW and len(before) > 1)

    def _lengths(self) -> dict[int, int | None]:
        """Of each value: the input that holds the lengths of its sequences."""
        carried: dict[int, int | None] = {i["id"]: None for i in self.record["inputs"]}
        for layer in self.layers:
            first, kind = layer["inputs"][0], layer["kind"]
            known = None
            layer["lengths"] = None
            if kind in RECURRENT:
                layer["lengths"] = layer["inputs"][1] if len(layer["inputs"]) > 1 else carried[first]
                if layer["parsed"].get("return_sequences") == "true":
                    known = layer["lengths"]
            else:
                steps = zip(layer["inputs"], self._steps(layer), strict=True)
                known = next((carried[i] for i, is_step in steps if is_step and carried[i] is not None), None)
            for output in layer["outputs"]:
                carried[output] = known
        # A value that nobody reads beyond some lengths has them, too.
        live = set(self.record["outputs"])
        for layer in reversed(self.layers):
            if live.intersection(layer["outputs"]):
                live.update(layer["inputs"])
        self.live = live
        made = [output for layer in reversed(self.layers) for output in layer["outputs"]]
        for value in made + [i["id"] for i in self.record["inputs"]]:
            if carried[value] is not None or value in self.record["outputs"]:
                continue
            reads = set()
            for layer in filter(self._is_live, self.layers):
                for position, source in enumerate(layer["inputs"]):
                    if source != value:
                        continue
                    if layer["kind"] in RECURRENT:
                        reads.add(layer["lengths"] if position == 0 else None)
                    elif self._steps(layer)[position]:
                        reads.update(carried[output] for output in layer["outputs"] if output in live)
                    else:
                        reads.add(None)
            if len(reads) == 1:
                carried[value] = reads.pop()
        return carried

    def _is_live(self, layer: dict) -> bool:
        return not self.live.isdisjoint(layer["outputs"])

    def real(self, value: int, steps: int) -> Tensor | None:
        """`[N, T]`: whether each step is data."""
        source = self.lengths.get(value)
        if source is None:
            return None
        return torch.arange(steps)[None, :] < self.inputs[source].long()[:, None]

    def without_padding(self, value: int, tensor: Tensor) -> Tensor:
        real = self.real(value, tensor.shape[1]) if tensor.dim() > 1 else None
        if real is None:
            return tensor
        return torch.where(real.reshape(*real.shape, *[1] * (tensor.dim() - 2)), tensor, torch.zeros(()).to(tensor))

    def set_parameters(self, arena: Tensor) -> None:
        self.arena = arena.detach().clone().requires_grad_()
        self.next_arena = arena.detach().clone()

    def parameters_of(self, layer: dict) -> dict[str, Tensor]:
        result = {}
        for parameter in layer["parameters"]:
            count = 1
            for size in parameter["shape"]:
                count *= size
            start = parameter["offset"]
            result[parameter["name"]] = self.arena[start : start + count].reshape(parameter["shape"])
        return result

    def run(self, step: int | None) -> dict[int, Tensor]:
        """All values; `step`: of training, nil at inference."""
        values = {value: self.without_padding(value, tensor) for value, tensor in self.inputs.items()}
        for layer in filter(self._is_live, self.layers):
            keeps = [layer["kind"] in RECURRENT or is_step for is_step in self._steps(layer)]
            inputs = [values[i] if kept else self.without_padding(i, values[i])
                      for i, kept in zip(layer["inputs"], keeps, strict=True)]  # fmt: skip
            results = self.compute(layer, inputs, step)
            values.update(zip(layer["outputs"], results if isinstance(results, tuple) else (results,), strict=True))
        return values

    def compute(self, layer: dict, inputs: list[Tensor], step: int | None) -> Tensor | tuple:
        kind, options, parameters = layer["kind"], layer["parsed"], self.parameters_of(layer)
        if kind == "dropout":
            if step is None or not layer["masks"]:
                return inputs[0]
            kept = torch.tensor([character == "1" for character in layer["masks"][step]]).reshape(inputs[0].shape)
            return torch.where(kept, inputs[0] / (1 - float(options["rate"])), torch.zeros(()).to(inputs[0]))
        if kind == "batchnorm":
            return self.batch_norm(layer, inputs[0], parameters, step)
        if kind in RECURRENT:
            lengths = layer["lengths"]
            x = inputs[0]
            if lengths is not None:
                steps = torch.arange(x.shape[1])[None, :] < self.inputs[lengths].long()[:, None]
                x = torch.where(steps[:, :, None], x, torch.zeros(()).to(x))
            inputs = [x] if lengths is None else [x, self.inputs[lengths]]
        return references.layer(kind, options, inputs, parameters, references.Margin())

    def batch_norm(self, layer: dict, x: Tensor, parameters: dict[str, Tensor], step: int | None) -> Tensor:
        options = layer["parsed"]
        mean, variance = parameters["moving_mean"], parameters["moving_variance"]
        if step is not None:
            real = self.real(layer["outputs"][0], x.shape[1]) if x.dim() > 2 else None
            rows = x[real] if real is not None else x
            rows = rows.reshape(-1, x.shape[-1])
            kept, count = float(options["momentum"]), rows.shape[0]
            mean, variance = rows.mean(0), rows.var(0, correction=0)
            # One row says nothing about a variance.
            seen = variance * count / (count - 1) if count > 1 else parameters["moving_variance"]
            for parameter, new in ((layer["parameters"][2], mean), (layer["parameters"][3], seen)):
                place = slice(parameter["offset"], parameter["offset"] + new.numel())
                self.next_arena[place] = (kept * self.arena[place] + (1 - kept) * new).detach()
        scale = parameters["gamma"] / torch.sqrt(variance + float(options["epsilon"]))
        y = (x - mean) * scale + parameters["beta"]
        return references.ACTIVATIONS[options["activation"]](y)

    def loss(self, values: dict[int, Tensor]) -> Tensor:
        # A graph without parameters has a gradient, too: none.
        total = self.arena.sum() * 0
        for value, target in zip(self.record["outputs"], self.record["targets"], strict=True):
            prediction = values[value]
            classes = self.record["loss"] == "softmax_cross_entropy"
            goal = exact(target).reshape(prediction.shape[:-1] if classes else prediction.shape)
            real = self.real(value, prediction.shape[1]) if prediction.dim() > 1 else None
            if real is not None:
                prediction, goal = prediction[real], goal[real]
            total = total + references.loss(self.record["loss"], prediction, goal)
        return total

    def is_trainable(self) -> Tensor:
        """The places in the arena that the optimizer changes."""
        mask = torch.zeros(self.arena.numel(), dtype=torch.bool)
        for layer in self.layers:
            for parameter in layer["parameters"]:
                count = 1
                for size in parameter["shape"]:
                    count *= size
                if parameter["trainable"]:
                    mask[parameter["offset"] : parameter["offset"] + count] = True
        return mask


def optimizer(options: dict[str, str], parameter: Tensor) -> Callable[[Tensor], None]:
    """A function that changes the parameter by a gradient."""
    rate, decay = float(options["learning_rate"]), float(options["weight_decay"])
    if options["optimizer"] == "adam":
        betas = (float(options["beta1"]), float(options["beta2"]))
        inner = torch.optim.Adam([parameter], lr=rate, betas=betas, eps=float(options["epsilon"]), weight_decay=decay)
    else:
        inner = torch.optim.SGD(
            [parameter],
            lr=rate,
            momentum=float(options["momentum"]),
            nesterov=options["nesterov"] == "true",
            weight_decay=decay,
        )
    clip = float(options["clip_norm"])

    def step(gradient: Tensor) -> None:
        norm = float(gradient.norm())
        parameter.grad = gradient * (clip / norm) if 0 < clip < norm else gradient.clone()
        inner.step()

    return step


def difference(actual: Tensor, expected: Tensor) -> float:
    """The largest, as a share of the largest value."""
    if not actual.numel():
        return 0.0
    off = float((actual - expected).abs().max())
    largest = float(expected.abs().max())
    return off / max(largest, 1e-12)


class Comparison:
    """What the differences come to."""

    def __init__(self) -> None:
        self.largest: dict[str, float] = {}
        self.beyond: dict[str, list[tuple[int, float]]] = {}
        self.amplified: dict[str, set[int]] = {}

    def see(self, what: str, seed: int, value: float, bound: float, noise: float = 0.0) -> None:
        """`noise`: how far rounding moves the value."""
        if bound < value <= noise * NOISE_FACTOR:
            self.amplified.setdefault(what, set()).add(seed)
            return
        self.largest[what] = max(self.largest.get(what, 0.0), value)
        if not value <= bound:
            self.beyond.setdefault(what, []).append((seed, value))


def compare(record: dict, comparison: Comparison) -> None:
    network = Network(record)
    seed, steps, reference = record["seed"], record["steps"], record["reference"]
    options = references.parse(record["optimizer"])
    start = exact(steps[0]["before"])
    network.set_parameters(start)
    with torch.no_grad():
        values = network.run(None)
    for index, value in enumerate(record["outputs"]):
        expected = values[value]
        real = network.real(value, expected.shape[1]) if expected.dim() > 1 else None
        for who, outputs, bound in (
            ("engine", record["inference"], ENGINE_BOUND),
            ("reference", reference["inference"], REFERENCE_BOUND),
        ):
            actual = exact(outputs[index]).reshape(expected.shape)
            if real is not None:
                comparison.see(f"{who}, outputs", seed, difference(actual[real], expected[real]), bound)
            else:
                comparison.see(f"{who}, outputs", seed, difference(actual, expected), bound)

    trainable = network.is_trainable()
    weights = start[trainable].clone()
    update = optimizer(options, weights)
    for number, step in enumerate(steps):
        network.set_parameters(exact(step["before"]))
        loss = network.loss(network.run(number))
        (gradient,) = torch.autograd.grad(loss, network.arena)
        # Steps that lead out of the range of float32 are no steps that anybody takes.
        if not abs(float(loss.detach())) < 1e30:
            return
        # A loss near 0 is the logarithm of a number near 1: it has the rounding of that.
        off = abs(step["loss"] - float(loss.detach())) / max(1.0, abs(float(loss.detach())))
        comparison.see("engine, losses", seed, off, ENGINE_BOUND)
        ours = exact(step["gradients"])
        off = difference(ours[trainable], gradient[trainable])
        comparison.see("engine, gradients", seed, off, ENGINE_BOUND, reference["rounding"])
        # From the engine's own parameters and gradients: what its optimizer should make of them.
        weights.copy_(exact(step["before"])[trainable])
        update(ours[trainable])
        after = network.next_arena
        after[trainable] = weights
        comparison.see("engine, parameters", seed, difference(exact(step["after"]), after), ENGINE_BOUND)

    arena = start.clone()
    weights = start[trainable].clone()
    update = optimizer(options, weights)
    losses = []
    for number in range(len(steps)):
        network.set_parameters(arena)
        loss = network.loss(network.run(number))
        losses.append(float(loss.detach()))
        (gradient,) = torch.autograd.grad(loss, network.arena)
        update(gradient[trainable])
        arena = network.next_arena
        arena[trainable] = weights
    comparison.see(
        "reference, losses of five steps", seed, difference(exact(reference["losses"]), exact(losses)), REFERENCE_BOUND
    )
    comparison.see(
        "reference, parameters after five steps", seed, difference(exact(reference["parameters"]), arena),
        REFERENCE_BOUND,
    )  # fmt: skip


def main() -> int:
    torch.set_num_threads(1)
    comparison, graphs, layers = Comparison(), 0, 0
    for line in sys.stdin:
        record = json.loads(line)
        compare(record, comparison)
        graphs += 1
        layers += len(record["layers"])
        if graphs % 500 == 0:
            print(f"{graphs} graphs", flush=True)
    print(f"{graphs} graphs of {layers} layers, {torch.__version__} in float64")
    for what, value in sorted(comparison.largest.items()):
        beyond = comparison.beyond.get(what, [])
        amplified = comparison.amplified.get(what, ())
        print(
            f"  {what}: largest difference {value:.2e}"
            + (f"; {len(amplified)} graphs amplify rounding beyond the bound" if amplified else "")
            + (f", {len(beyond)} beyond the bound" if beyond else "")
        )
        for seed, off in sorted(set(beyond), key=lambda item: -item[1])[:6]:
            print(f"    seed {seed}: {off:.2e}")
    return 1 if comparison.beyond or not graphs else 0


if __name__ == "__main__":
    sys.exit(main())
