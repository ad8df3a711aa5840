"""The arrays that a workload is fed: the same numbers for every library."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads import Network, Workload


def batch(workload: Workload, network: Network) -> tuple[NDArray, NDArray | None]:
    """One batch of inputs and, for training, of targets. Channels last."""
    generator = np.random.default_rng(1)
    shape = (workload.batch, *network.input_shape)
    if network.input_dtype == "int32":
        x = generator.integers(0, workload.indices, shape, dtype=np.int32)
    else:
        x = generator.standard_normal(shape, dtype=np.float32)
    if not workload.trains:
        return x, None
    output = (workload.batch, *network.output_shape)
    if workload.loss == "softmax_cross_entropy":
        return x, generator.integers(0, workload.indices, output[:-1], dtype=np.int32)
    return x, generator.standard_normal(output, dtype=np.float32)
