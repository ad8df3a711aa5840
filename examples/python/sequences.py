"""A functional model of LSTMs over sequences of any length: it learns to average what it saw.

Usage: python sequences.py
"""

import nnkit as nn
import numpy as np

a = nn.Input((None, 16))  # any graph: None is an open time dimension
h = nn.LSTM(64, return_sequences=True)(a)
h = nn.LSTM(32)(h)
net = nn.Model(a, nn.Dense(1)(h))
net.summary()
print(net.weights["lstm/kernel"].shape)  # NumPy views of the parameters, by name

random = np.random.default_rng(0)
x = random.normal(size=(512, 10, 16))
y = x.mean(axis=(1, 2))[:, None]
net.compile(nn.Adam(3e-3), loss="mean_squared_error", clip_norm=1)
net.fit(x, y, epochs=10)

for steps in (5, 10, 20):
    x = random.normal(size=(100, steps, 16))
    error = np.sqrt(np.mean((net.predict(x)[:, 0] - x.mean(axis=(1, 2))) ** 2))
    print(f"{steps:2d} time steps: error {error:.4f}")
