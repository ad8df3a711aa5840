"""Trains a small convolutional network on scikit-learn's handwritten digits, saves it and loads it again.

Usage: python digits.py [FOLDER]; the model and the curves of the training are written there.
"""

import sys
from pathlib import Path

import nnkit as nn
from sklearn.datasets import load_digits

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
data = load_digits()
images, labels = data.images[..., None] / 16, data.target
x, y, xv, yv = images[:1400], labels[:1400], images[1400:], labels[1400:]

model = nn.Sequential([
    nn.Conv2D(32, 3, padding="same", activation="relu"),
    nn.MaxPool2D(2),
    nn.Flatten(),
    nn.Dense(10),
], input_shape=(8, 8, 1), seed=7)  # fmt: skip
model.summary()
model.compile(optimizer=nn.Adam(1e-3), loss="softmax_cross_entropy", metrics=["accuracy"])
history = model.fit(x, y, epochs=5, batch_size=64, validation_data=(xv, yv))  # progress bar
history.plot(folder / "history.png")
print(model.evaluate(xv, yv))

model.save(folder / "digits.nnkit")
loaded = nn.load(folder / "digits.nnkit")
print("read:", loaded.predict(xv[:10]).argmax(axis=1))
print("are: ", yv[:10])
