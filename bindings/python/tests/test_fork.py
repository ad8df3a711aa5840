"""A process that has trained forks: the child trains and predicts at once."""

from __future__ import annotations

import multiprocessing
from typing import Any

import numpy as np
import pytest
from conftest import compiled, image_model

import nnkit as nn


def train(model: nn.Model, images: np.ndarray, labels: np.ndarray) -> bytes:
    """A few steps and predictions."""
    model.fit(images, labels, epochs=2, batch_size=16, verbose=0)
    return model.predict(images).tobytes()


def child(pipe: Any, model: nn.Model, images: np.ndarray, labels: np.ndarray) -> None:
    """Trains on with the parent's model, and a model of its own."""
    own = compiled(image_model(seed=2))
    pipe.send((train(model, images, labels), train(own, images, labels)))


# Python 3.12 warns of forking with threads: here the threads are the library's, which are made for it.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fifty_of_fifty_forked_children_train_and_predict(images: np.ndarray, labels: np.ndarray) -> None:
    context = multiprocessing.get_context("fork")
    runtime = nn.Runtime(threads=2)
    model = compiled(image_model(runtime=runtime))
    train(model, images, labels)
    finished = []
    for _ in range(50):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=child, args=(sender, model, images, labels))
        process.start()
        finished.append(receiver.recv() if receiver.poll(30) else None)
        process.join(30)
        assert process.exitcode == 0
    # The parent goes on as every child did.
    expected = (train(model, images, labels), train(compiled(image_model(seed=2)), images, labels))
    assert finished == [expected] * 50


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_inside_a_callback_leaves_both_processes_working(images: np.ndarray, labels: np.ndarray) -> None:
    context = multiprocessing.get_context("fork")
    model = compiled(image_model())
    exit_codes = []

    def callback(report: nn.EpochReport) -> None:
        process = context.Process(target=train, args=(compiled(image_model()), images, labels))
        process.start()
        process.join(30)
        exit_codes.append(process.exitcode)

    model.fit(images, labels, epochs=3, verbose=0, callbacks=[callback])
    assert exit_codes == [0, 0, 0]
