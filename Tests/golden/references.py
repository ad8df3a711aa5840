"""What every layer and loss computes, in float64 PyTorch.

`layer` takes a kind and its options as the library takes them, so a case cannot mean one thing here and another
there. Where PyTorch's own operation has other conventions (channels first, symmetric padding, its own weight
layout), the arguments are converted, and the operation stays PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

Options = dict[str, str]
Parameters = dict[str, Tensor]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
    "elu": F.elu,
    "selu": F.selu,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": lambda x: F.softplus(x, threshold=1000.0),
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
}

# Where the slope of an activation jumps.
KINKS: dict[str, tuple[float, ...]] = {
    "relu": (0.0,),
    "leaky_relu": (0.0,),
    "elu": (0.0,),
    "selu": (0.0,),
    "hard_sigmoid": (-3.0, 3.0),
    "hard_swish": (-3.0, 3.0),
}


class Margin:
    """How close the values of a case came to a point where float32 could take the other branch."""

    def __init__(self) -> None:
        self.smallest = float("inf")

    def see(self, distance: Tensor) -> None:
        if distance.numel():
            self.smallest = min(self.smallest, float(distance.detach().abs().min()))


def parse(options: str) -> Options:
    """`"a=1 b=2"` as a dictionary."""
    return dict(word.split("=", 1) for word in options.split())


def numbers(text: str, count: int) -> list[int]:
    values = [int(word) for word in text.split(",")]
    return values * count if len(values) == 1 else values


def pad_sizes(options: Options, sizes: list[int], window: list[int], stride: list[int], dilation: list[int]):
    """[(before, after)] for the vertical and the horizontal axis."""
    text = options.get("padding", "valid")
    if text == "valid":
        return [(0, 0), (0, 0)]
    if text == "same":
        result = []
        for size, k, s, d in zip(sizes, window, stride, dilation):
            total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
            result.append((total // 2, total - total // 2))
        return result
    values = [int(word) for word in text.split(",")]
    if len(values) == 1:
        return [(values[0], values[0])] * 2
    if len(values) == 2:
        return [(values[0], values[0]), (values[1], values[1])]
    return [(values[0], values[1]), (values[2], values[3])]


def pad_image(x: Tensor, sides, value: float) -> Tensor:
    """Pads `[N,C,H,W]`."""
    (top, bottom), (left, right) = sides
    return F.pad(x, (left, right, top, bottom), value=value)


def channels_first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def activate(name: str, x: Tensor, margin: Margin) -> Tensor:
    for kink in KINKS.get(name, ()):
        margin.see(x - kink)
    return ACTIVATIONS[name](x)


def conv2d(options: Options, x: Tensor, parameters: Parameters, margin: Margin) -> Tensor:
    kernel = parameters["kernel"].permute(3, 2, 0, 1).contiguous()  # [kh,kw,in,filters] -> [filters,in,kh,kw]
    window = list(kernel.shape[2:])
    stride = numbers(options.get("stride", "1"), 2)
    dilation = numbers(options.get("dilation", "1"), 2)
    padded = pad_image(channels_first(x), pad_sizes(options, list(x.shape[1:3]), window, stride, dilation), 0.0)
    groups = int(options.get("groups", "1"))
    y = F.conv2d(padded, kernel, parameters.get("bias"), stride=stride, dilation=dilation, groups=groups)
    return activate(options.get("activation", "linear"), channels_last(y), margin)


def pool2d(options: Options, x: Tensor, margin: Margin, average: bool) -> Tensor:
    window = numbers(options.get("size", "2"), 2)
    stride = numbers(options.get("stride", options.get("size", "2")), 2)
    sides = pad_sizes(options, list(x.shape[1:3]), window, stride, [1, 1])
    image = channels_first(x)
    if average:
        total = F.avg_pool2d(pad_image(image, sides, 0.0), window, stride, divisor_override=1)
        if options.get("count_padding", "false") == "true":
            return channels_last(total / (window[0] * window[1]))
        inside = F.avg_pool2d(pad_image(torch.ones_like(image), sides, 0.0), window, stride, divisor_override=1)
        return channels_last(total / inside)
    padded = pad_image(image, sides, float("-inf"))
    if window[0] * window[1] > 1:
        places = F.unfold(padded.detach().nan_to_num(neginf=-1e9), window, stride=stride)
        places = places.reshape(x.shape[0], x.shape[3], window[0] * window[1], -1)
        largest = places.topk(2, dim=2).values
        # Behind a ReLU whole windows are zero; then every choice has the same gradient, zero.
        undecided = (largest[:, :, 0] == 0) & (largest[:, :, 1] == 0)
        margin.see((largest[:, :, 0] - largest[:, :, 1])[~undecided])
    return channels_last(F.max_pool2d(padded, window, stride))


def batch_norm(
    options: Options, x: Tensor, parameters: Parameters, training: bool, real: Tensor | None = None
) -> tuple[Tensor, Parameters]:
    """The result before the activation, and the next running statistics. `real`: of each row, whether it is data; those
    that are not are normalised with the others' statistics."""
    if real is not None:
        rows, state = batch_norm(options, x[real], parameters, training)
        variance, mean = torch.var_mean(x[real], dim=0, correction=0)
        scale = parameters["gamma"] / torch.sqrt(variance + float(options.get("epsilon", "1e-5")))
        y = (x - mean) * scale + parameters["beta"]
        return y.masked_scatter(real[..., None], rows), state
    state = {name: parameters[f"moving_{name}"].detach().clone() for name in ("mean", "variance")}
    y = F.batch_norm(
        x.reshape(-1, x.shape[-1]),
        state["mean"],
        state["variance"],
        parameters["gamma"],
        parameters["beta"],
        training=training,
        momentum=1 - float(options.get("momentum", "0.9")),  # PyTorch's is the share of the new statistics.
        eps=float(options.get("epsilon", "1e-5")),
    )
    return y.reshape(x.shape), {f"moving_{name}": value for name, value in state.items()}


def dense(options: Options, x: Tensor, parameters: Parameters, margin: Margin) -> Tensor:
    y = F.linear(x, parameters["kernel"].T, parameters.get("bias"))
    return activate(options.get("activation", "linear"), y, margin)


def lstm(options: Options, x: Tensor, lengths: Tensor | None, parameters: Parameters) -> Tensor:
    """PyTorch's LSTM: its gate order, i f g o, is the library's; its weights are transposed, its second bias zero."""
    units = parameters["recurrent_kernel"].shape[0]
    zeros = torch.zeros(4 * units, dtype=x.dtype)
    layer = torch.nn.LSTM(x.shape[2], units, batch_first=True, dtype=x.dtype)
    weights = {
        "weight_ih_l0": parameters["kernel"].T,
        "weight_hh_l0": parameters["recurrent_kernel"].T,
        "bias_ih_l0": parameters.get("bias", zeros),
        "bias_hh_l0": zeros,
    }
    sequence = x
    if lengths is not None:
        sequence = pack_padded_sequence(x, lengths.to(torch.int64), batch_first=True, enforce_sorted=False)
    states, (last, _) = torch.func.functional_call(layer, weights, (sequence,))
    if options.get("return_sequences", "false") == "false":
        return last[0]
    if lengths is not None:
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])
    return states


def gru(options: Options, x: Tensor, lengths: Tensor | None, parameters: Parameters) -> Tensor:
    """With `reset_after` PyTorch's GRU, whose `z` is `1 - z` here and whose gates lie in the order r z n; otherwise
    the definition, step by step."""
    units = parameters["recurrent_kernel"].shape[0]
    steps = [x.shape[1]] * x.shape[0] if lengths is None else [int(length) for length in lengths]
    zeros = torch.zeros(3 * units, dtype=x.dtype)
    kernels = [parameters[name].T.split(units) for name in ("kernel", "recurrent_kernel")]
    z, r, g = parameters.get("bias", zeros).split(units)
    if options.get("reset_after", "false") == "true":
        layer = torch.nn.GRU(x.shape[2], units, batch_first=True, dtype=x.dtype)
        # σ(-a) = 1 - σ(a)
        weights = {
            "weight_ih_l0": torch.cat([kernels[0][1], -kernels[0][0], kernels[0][2]]),
            "weight_hh_l0": torch.cat([kernels[1][1], -kernels[1][0], kernels[1][2]]),
            "bias_ih_l0": torch.cat([r, -z, g]),
            "bias_hh_l0": torch.cat([zeros[: 2 * units], parameters.get("recurrent_bias", zeros[:units])]),
        }
        states, _ = torch.func.functional_call(layer, weights, (x,))
    else:
        h = torch.zeros(x.shape[0], units, dtype=x.dtype)
        each = []
        for t in range(x.shape[1]):
            update = torch.sigmoid(x[:, t] @ kernels[0][0].T + h @ kernels[1][0].T + z)
            reset = torch.sigmoid(x[:, t] @ kernels[0][1].T + h @ kernels[1][1].T + r)
            candidate = torch.tanh(x[:, t] @ kernels[0][2].T + (reset * h) @ kernels[1][2].T + g)
            h = (1 - update) * h + update * candidate
            each.append(h)
        states = torch.stack(each, dim=1)
    if options.get("return_sequences", "false") == "false":
        return torch.stack([states[n, length - 1] for n, length in enumerate(steps)])
    real = torch.arange(x.shape[1])[None, :] < torch.tensor(steps)[:, None]
    return states * real[:, :, None]


def layer(
    kind: str,
    options: Options,
    inputs: list[Tensor],
    parameters: Parameters,
    margin: Margin,
    real: Tensor | None = None,
) -> Tensor | tuple[Tensor, ...]:
    """The output of one layer, or its outputs. `real`: of each step, whether it is data, where some are not."""
    x = inputs[0]
    match kind:
        case "conv2d":
            return conv2d(options, x, parameters, margin)
        case "maxpool2d" | "avgpool2d":
            return pool2d(options, x, margin, average=kind == "avgpool2d")
        case "globalavgpool2d":
            return x.mean(dim=(1, 2))
        case "batchnorm":
            y = batch_norm(options, x, parameters, True, real)[0]
            return activate(options.get("activation", "linear"), y, margin)
        case "add":
            return activate(options.get("activation", "linear"), x + inputs[1], margin)
        case "flatten":
            return x.reshape(x.shape[0], -1)
        case "dense":
            return dense(options, x, parameters, margin)
        case "activation":
            return activate(options["function"], x, margin)
        case "softmax":
            return F.softmax(x, dim=-1)
        case "log_softmax":
            return F.log_softmax(x, dim=-1)
        case "dropout":
            return F.dropout(x, float(options["rate"]), training=True)
        case "embedding":
            return F.embedding(x.to(torch.int64), parameters["embeddings"])
        case "lstm":
            return lstm(options, x, inputs[1] if len(inputs) > 1 else None, parameters)
        case "gru":
            return gru(options, x, inputs[1] if len(inputs) > 1 else None, parameters)
        case "concat":
            return torch.cat(inputs, dim=axis(options, x))
        case "split":
            return torch.split(x, [int(size) for size in options["sizes"].split(",")], dim=axis(options, x))
        case "slice":
            start, stop = int(options.get("start", "0")), options.get("stop")
            dim = axis(options, x)
            return x[(slice(None),) * dim + (slice(start, None if stop is None else int(stop)),)]
        case "permute":
            axes = [int(a) % (x.dim() - 1) for a in options["axes"].split(",")]
            return x.permute(0, *(a + 1 for a in axes))
        case "reshape":
            return x.reshape(x.shape[0], *(int(size) for size in options["shape"].split(",")))
        case "multiply" | "subtract":
            y = inputs[1]
            rank = max(x.dim(), y.dim())
            x, y = (t.reshape(t.shape[0], *[1] * (rank - t.dim()), *t.shape[1:]) for t in (x, y))
            return x * y if kind == "multiply" else x - y
        case "repeat":
            return x[:, None].expand(-1, int(options["count"]), *x.shape[1:])
    raise ValueError(f"no reference for the layer {kind}")


def axis(options: Options, x: Tensor) -> int:
    """The axis of `axis`, with the batch's before the others."""
    return int(options.get("axis", "-1")) % (x.dim() - 1) + 1


def next_state(
    kind: str, options: Options, x: Tensor, parameters: Parameters, real: Tensor | None = None
) -> Parameters:
    """The values that a training step gives to a layer's parameters that are not trainable."""
    return batch_norm(options, x, parameters, True, real)[1] if kind == "batchnorm" else {}


def inference(kind: str, options: Options, x: Tensor, parameters: Parameters) -> Tensor | None:
    """The output at inference, where it differs from that in training."""
    if kind != "batchnorm":
        return None
    return ACTIVATIONS[options.get("activation", "linear")](batch_norm(options, x, parameters, False)[0])


def parameter_shapes(kind: str, options: Options, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The parameters of a layer by NNKit's names, with NNKit's layouts."""
    bias = options.get("bias", "true") == "true"
    match kind:
        case "conv2d":
            filters = int(options["filters"])
            channels = input_shape[-1] // int(options.get("groups", "1"))
            shapes = {"kernel": (*numbers(options["kernel"], 2), channels, filters), "bias": (filters,)}
        case "dense":
            units = int(options["units"])
            shapes = {"kernel": (input_shape[-1], units), "bias": (units,)}
        case "lstm":
            units = int(options["units"])
            shapes = {
                "kernel": (input_shape[-1], 4 * units),
                "recurrent_kernel": (units, 4 * units),
                "bias": (4 * units,),
            }
        case "gru":
            units = int(options["units"])
            shapes = {
                "kernel": (input_shape[-1], 3 * units),
                "recurrent_kernel": (units, 3 * units),
                "bias": (3 * units,),
            }
            if bias and options.get("reset_after", "false") == "true":
                shapes["recurrent_bias"] = (units,)
        case "batchnorm":
            return {name: (input_shape[-1],) for name in ("gamma", "beta", "moving_mean", "moving_variance")}
        case "embedding":
            return {"embeddings": (int(options["vocabulary"]), int(options["units"]))}
        case _:
            return {}
    if not bias:
        del shapes["bias"]
    return shapes


def loss(kind: str, prediction: Tensor, target: Tensor) -> Tensor:
    """Softmax cross-entropy: the mean over rows. Mean squared error: the mean over elements."""
    if kind == "softmax_cross_entropy":
        return F.cross_entropy(prediction.reshape(-1, prediction.shape[-1]), target.reshape(-1).to(torch.int64))
    return F.mse_loss(prediction, target)
