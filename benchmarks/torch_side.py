"""PyTorch's side: a workload as a step to call, eager, channels-last or compiled."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import nn

import data
from workloads import Network, Workload

LEARNING_RATE = 1e-3
Step = Callable[[], object]


class Interpreter(nn.Module):
    """A network as a module. Images are `[N, C, H, W]`, in whichever memory format they come."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.steps = [(node.kind, node.inputs, node.sizes) for node in network.nodes[1:]]
        self.layers = nn.ModuleList(_layer(kind, sizes) for kind, _, sizes in self.steps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = [x]
        for (kind, inputs, sizes), layer in zip(self.steps, self.layers):
            if kind == "add":
                y = values[inputs[0]] + values[inputs[1]]
            elif kind in ("lstm", "gru"):
                y, _ = layer(values[inputs[0]])
                if not sizes["sequences"]:
                    y = y[:, -1]
            elif kind == "globalavgpool2d":
                y = values[inputs[0]].mean((2, 3))
            else:
                y = layer(values[inputs[0]])
            values.append(y)
        return values[-1]


def _layer(kind: str, sizes: dict) -> nn.Module:
    match kind:
        case "conv2d":
            return nn.Conv2d(
                sizes["channels"], sizes["filters"], sizes["kernel"], sizes["stride"], sizes["pad"], bias=sizes["bias"]
            )
        case "maxpool2d":
            return nn.MaxPool2d(sizes["size"], sizes["stride"], sizes["pad"])
        case "batchnorm":
            return nn.BatchNorm2d(sizes["channels"])
        case "activation":
            return nn.ReLU(inplace=True)
        case "add" | "globalavgpool2d":
            return nn.Identity()
        case "flatten":
            return nn.Flatten()
        case "dense":
            return nn.Linear(sizes["depth"], sizes["units"])
        case "embedding":
            return nn.Embedding(sizes["vocabulary"], sizes["units"])
        case "lstm" | "gru":
            recurrent = nn.LSTM if kind == "lstm" else nn.GRU
            return recurrent(sizes["depth"], sizes["units"], batch_first=True)
    raise ValueError(f"torch_side builds no layer of kind {kind!r}; add a case for it")


class OneStep(nn.Module):
    """One step of a recurrent network from a state: `(x, h, c)` gives `(h, c)`."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        sizes = network.nodes[1].sizes
        self.cell = nn.LSTMCell(sizes["depth"], sizes["units"])

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.cell(x, (h, c))


def prepare(workload: Workload, variant: str) -> tuple[Step, int]:
    """The workload's step, and how many parameters the model has.

    variant: "eager", "channels-last", "compiled", or "compiled-unrolled" for recurrent layers step by step.
    """
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(1)
    network = workload.network()
    x, y = (None if array is None else torch.from_numpy(array) for array in data.batch(workload, network))
    is_image = len(network.input_shape) == 3
    if is_image:
        x = x.permute(0, 3, 1, 2).contiguous()
    if x.dtype == torch.int32:
        x = x.long()
    compiles = variant.startswith("compiled")
    if variant == "compiled-unrolled":
        # Without this the compiler leaves recurrent layers to the eager implementation.
        torch._dynamo.config.allow_rnn = True
        # oneDNN's LSTM layer has no gradient that the compiler can trace.
        torch.backends.mkldnn.enabled = not workload.trains

    model = OneStep(network) if workload.is_step else Interpreter(network)
    if is_image and variant != "eager":
        model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    count = sum(parameter.numel() for parameter in model.parameters())

    if not workload.trains:
        inputs = (x,)
        if workload.is_step:
            units = network.output_shape[0]
            inputs = (x[:, 0], torch.zeros(1, units), torch.zeros(1, units))
        model.eval()
        call = torch.compile(model) if compiles else model

        def run() -> object:
            with torch.inference_mode():
                return call(*inputs)

        return run, count

    targets = y.long() if workload.loss == "softmax_cross_entropy" else y
    cross_entropy, squares = nn.CrossEntropyLoss(), nn.MSELoss()

    def loss_of(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        output = model(inputs)
        if workload.loss == "mean_squared_error":
            return squares(output, targets)
        return cross_entropy(output.flatten(0, -2), targets.flatten())

    if workload.optimizer == "adam":
        optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=True)
    else:
        optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, momentum=0.9, fused=True)
    call = torch.compile(loss_of) if compiles else loss_of

    def train() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = call(x, targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return train, count
