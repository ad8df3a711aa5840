"""The C program: it is compiled here, and runs the models that Python saved."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import nnkit as nn
import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
HEADERS = HERE.parent.parent / "include"

# Samples predicted at a time, in Python and in C alike: the same shapes give the same bits.
BATCH = 32


def build_c_program(folder: Path) -> Path:
    """Compiles demo_predict.c, which knows the library by its header alone."""
    program = folder / "demo_predict"
    compiler = os.environ.get("CC", "cc").split()
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", f"-I{HEADERS}"]
    subprocess.run([*compiler, *flags, str(HERE / "demo_predict.c"), "-o", str(program), "-ldl"], check=True)
    return program


def same_from_c(program: Path, library: Path, model_path: Path, inputs: NDArray[Any], folder: Path) -> bool:
    """Whether the C program, with the saved model, predicts what Python does, to the last bit."""
    expected = nn.load(model_path).predict(inputs, batch_size=BATCH)
    input_path, output_path = folder / "inputs.f32", folder / "outputs.f32"
    np.ascontiguousarray(inputs, np.float32).tofile(input_path)
    shapes = [",".join(map(str, array.shape)) for array in (inputs, expected)]
    arguments = [library, model_path, input_path, shapes[0], output_path, shapes[1], BATCH]
    subprocess.run([str(program), *map(str, arguments)], check=True)
    return output_path.read_bytes() == expected.tobytes()
