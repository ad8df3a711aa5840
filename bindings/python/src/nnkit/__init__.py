"""NNKit: convolutional and recurrent neural networks, trained and run on the CPU.

import nnkit as nn

model = nn.Sequential([nn.Conv2D(32, 3, activation="relu"), nn.Flatten(), nn.Dense(10)], input_shape=(8, 8, 1))
model.compile(nn.Adam(1e-3), loss="softmax_cross_entropy", metrics=["accuracy"])
model.fit(images, labels, epochs=5)
"""

from typing import TYPE_CHECKING, Any

from . import _catalog, _handles, errors, layers, optimizers
from ._catalog import catalog
from ._graph import Input, Layer, Value
from ._ports import Port
from ._progress import EpochReport, StepReport
from ._version import __version__
from .errors import *  # noqa: F403
from .history import History
from .layers import *  # noqa: F403
from .models import Model, Sequential, load
from .optimizers import *  # noqa: F403
from .runtime import Runtime, runtime_info, shutdown
from .streams import Stream
from .weights import Weights

version: str = _handles.version()
"""The version of the library that was loaded."""

__all__ = [
    "EpochReport",
    "History",
    "Input",
    "Layer",
    "Model",
    "Port",
    "Runtime",
    "Sequential",
    "StepReport",
    "Stream",
    "Value",
    "Weights",
    "__version__",
    "catalog",
    "load",
    "runtime_info",
    "shutdown",
    "version",
]
__all__ += errors.__all__
__all__ += layers.__all__
__all__ += optimizers.__all__

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Says what is there in place of a name that is not."""
        raise AttributeError(f"module 'nnkit' has no attribute '{name}'{_catalog.hint_of_class(name, __all__)}")
