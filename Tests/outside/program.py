"""Loads a model and classifies drawings, as the example run.c does, and prints the same.

Usage: program.py <model> <drawings>
"""

import sys
from pathlib import Path

import nnkit as nn
import numpy as np

NAMES = ("square", "disc", "cross")
COUNT, SIZE = 16, 16

model, drawings = sys.argv[1:]
installed = Path(nn.__file__).parent
assert installed.is_relative_to(sys.prefix), f"{installed} is not in the environment {sys.prefix}"
assert (installed / "lib" / "LICENSE").is_file() and (installed / "lib" / "THIRD-PARTY.txt").is_file()

data = Path(drawings).read_bytes()
images = np.frombuffer(data, np.float32, COUNT * SIZE * SIZE).reshape(COUNT, SIZE, SIZE, 1)
labels = np.frombuffer(data, np.int32, COUNT, images.nbytes)
logits = nn.load(model).predict(images)
guesses = logits.argmax(1)
for guess, label, row in zip(guesses, labels, logits):
    print(f"{NAMES[guess]:6}  {'right' if guess == label else 'wrong':6}  {row[0]:9.6f} {row[1]:9.6f} {row[2]:9.6f}")
print(f"{(guesses == labels).sum()} of {COUNT} right")
