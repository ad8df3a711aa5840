"""Classifies sequences of different lengths: integers go through an embedding into an LSTM that knows each length.

The task: does a sequence hold more ones than twos? Padding is no part of a sequence, so what stands there is
of no effect.

Usage: python lengths.py
"""

import nnkit as nn
import numpy as np

words = nn.Input((None,), dtype="int32", name="words")
lengths = nn.Input((), dtype="int32", name="lengths")
h = nn.Embedding(10, 16)(words)
h = nn.LSTM(32)([h, lengths])
net = nn.Model([words, lengths], nn.Dense(2)(h), seed=1)
net.summary()

random = np.random.default_rng(0)
n, longest = 2000, 12
length = random.integers(1, longest + 1, size=n)
sequence = random.integers(0, 10, size=(n, longest))
real = np.arange(longest) < length[:, None]
label = ((sequence == 1) & real).sum(axis=1) > ((sequence == 2) & real).sum(axis=1)

net.compile(nn.Adam(1e-2), loss="softmax_cross_entropy", metrics=["accuracy"], clip_norm=1)
net.fit([sequence, length], label, epochs=8, validation_split=0.2)

noise = np.where(real, sequence, random.integers(0, 10, size=(n, longest)))
same = np.array_equal(net.predict([sequence, length]), net.predict({"words": noise, "lengths": length}))
print("padding has no effect:", same)
