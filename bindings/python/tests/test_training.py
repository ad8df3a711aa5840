"""compile, fit, evaluate, and single steps."""

from __future__ import annotations

import copy
import math
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import compiled, dense_model, image_model, run_in_threads, sequence_model

import nnkit as nn


def test_fit_learns_and_records_every_epoch(x: np.ndarray, y: np.ndarray) -> None:
    history = compiled(dense_model()).fit(x, y, epochs=30, batch_size=16, verbose=0)
    assert set(history.history) == {"loss", "accuracy"}
    assert history.epochs == len(history.history["loss"]) == len(history.seconds) == 30
    assert history.history["loss"][-1] < history.history["loss"][0] / 2
    assert history.history["accuracy"][-1] > 0.9


def test_digits_are_read_after_a_few_epochs() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order].reshape(-1, 8, 8, 1) / 16, labels[order]
    model = nn.Sequential(
        [nn.Conv2D(16, 3, padding="same", activation="relu"), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(10)],
        input_shape=(8, 8, 1),
        seed=7,
    )
    model.compile(nn.Adam(3e-3), loss="softmax_cross_entropy", metrics=["accuracy"])
    model.fit(images[:1400], labels[:1400], epochs=5, verbose=0)
    result = model.evaluate(images[1400:], labels[1400:])
    assert result["accuracy"] > 0.9
    read = model.predict(images[1400:]).argmax(axis=1) == labels[1400:]
    assert math.isclose(read.mean(), result["accuracy"], abs_tol=1e-6)


def test_an_lstm_learns_a_sequence(random: np.random.Generator) -> None:
    sequences = random.integers(0, 11, size=(300, 6))
    labels = (sequences == 3).any(axis=1).astype(np.int32)
    model = nn.Sequential(
        [nn.Embedding(11, 8), nn.LSTM(16), nn.Dense(2)], input_shape=(None,), input_dtype="int32", seed=1
    )
    history = compiled(model).fit(sequences, labels, epochs=15, verbose=0)
    assert history.history["accuracy"][-1] > 0.95


@pytest.mark.parametrize("reset_after", [False, True])
def test_a_gru_learns_a_sequence(reset_after: bool, random: np.random.Generator) -> None:
    sequences = random.integers(0, 11, size=(300, 6))
    labels = (sequences == 3).any(axis=1).astype(np.int32)
    model = nn.Sequential(
        [nn.Embedding(11, 8), nn.GRU(16, reset_after=reset_after), nn.Dense(2)],
        input_shape=(None,),
        input_dtype="int32",
        seed=1,
    )
    history = compiled(model).fit(sequences, labels, epochs=15, verbose=0)
    assert history.history["accuracy"][-1] > 0.95


def test_a_residual_network_learns_and_its_statistics_follow_the_data(random: np.random.Generator) -> None:
    images = random.normal(3.0, 2.0, size=(200, 6, 6, 2)).astype(np.float32)
    labels = random.integers(0, 2, size=200).astype(np.int32)
    # The classes' 36 values differ by 2 at a deviation of 2: the best possible classifier is right in Φ(3) = 99.9 %.
    images[labels == 1, ::2] += 2
    x = nn.Input((6, 6, 2))
    a = nn.BatchNorm(name="norm")(x)
    b = nn.BatchNorm(activation="relu")(nn.Conv2D(8, 3, padding="same", bias=False)(a))
    c = nn.BatchNorm()(nn.Conv2D(8, 3, padding="same", bias=False)(b))
    model = nn.Model(x, nn.Dense(2)(nn.GlobalAvgPool2D()(nn.Add(activation="relu")([b, c]))))
    history = compiled(model).fit(images, labels, epochs=10, batch_size=20, verbose=0)
    assert history.history["accuracy"][-1] > 0.95
    assert model.evaluate(images, labels)["accuracy"] > 0.95
    assert np.allclose(model.weights["norm/moving_mean"], images.mean(axis=(0, 1, 2)), atol=0.2)
    assert np.allclose(model.weights["norm/moving_variance"], images.var(axis=(0, 1, 2)), rtol=0.1)


def separable(filters: int, stride: int) -> list[nn.Layer]:
    """A block of MobileNet: a depthwise convolution, which keeps channels apart, then a 1x1 one, which mixes them."""
    return [
        nn.Conv2D(filters // 2, 3, stride=stride, padding="same", groups=filters // 2, bias=False),
        nn.BatchNorm(activation="relu"),
        nn.Conv2D(filters, 1, bias=False),
        nn.BatchNorm(activation="relu"),
    ]


def test_depthwise_separable_blocks_learn_a_small_set_by_heart(random: np.random.Generator, tmp_path: Path) -> None:
    images = random.normal(size=(48, 16, 16, 3)).astype(np.float32)
    labels = random.integers(0, 4, size=48).astype(np.int32)
    model = nn.Sequential(
        [
            nn.Conv2D(8, 3, stride=2, padding="same", bias=False),
            nn.BatchNorm(activation="relu"),
            *separable(16, 1),
            *separable(32, 2),
            *separable(64, 2),
            nn.GlobalAvgPool2D(),
            nn.Dense(4),
        ],
        input_shape=(16, 16, 3),
        seed=1,
    )
    assert model.weights["conv2d_1/kernel"].shape == (3, 3, 1, 8)
    model.compile(optimizer=nn.Adam(5e-3), loss="softmax_cross_entropy", metrics=["accuracy"])
    history = model.fit(images, labels, epochs=60, batch_size=16, verbose=0)
    assert history.history["accuracy"][-1] > 0.95
    model.save(tmp_path / "model.nnkit")
    assert np.array_equal(nn.load(tmp_path / "model.nnkit").predict(images), model.predict(images))


def test_labels_for_every_time_step_train(random: np.random.Generator) -> None:
    sequences = random.integers(0, 5, size=(100, 7))
    model = nn.Sequential(
        [nn.Embedding(5, 8), nn.LSTM(16, return_sequences=True), nn.Dense(5)],
        input_shape=(None,),
        input_dtype="int32",
    )
    history = compiled(model).fit(sequences, np.roll(sequences, 1, axis=1), epochs=20, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_validation_data_adds_its_loss_and_metric(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    history = model.fit(x[:40], y[:40], epochs=3, validation_data=(x[40:], y[40:]), verbose=0)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    measured = model.evaluate(x[40:], y[40:])
    assert math.isclose(history.history["val_loss"][-1], measured["loss"], rel_tol=1e-6)
    assert history.history["val_accuracy"][-1] == measured["accuracy"]


def test_validation_data_serves_one_fit_only(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    model.fit(x, y, validation_data=(x, y), verbose=0)
    assert "val_loss" not in model.fit(x, y, verbose=0).history


def test_validation_split_holds_out_the_last_samples(x: np.ndarray, y: np.ndarray) -> None:
    split, given = compiled(dense_model()), compiled(dense_model())
    first = split.fit(x, y, epochs=2, validation_split=0.2, verbose=0)
    second = given.fit(x[:40], y[:40], epochs=2, validation_data=(x[40:], y[40:]), verbose=0)
    assert first.history == second.history


def test_validation_data_and_split_exclude_each_other(x: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not both"):
        compiled(dense_model()).fit(x, y, validation_data=(x, y), validation_split=0.1)


def test_validation_data_is_a_pair(x: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(TypeError, match=r"\(x, y\)"):
        compiled(dense_model()).fit(x, y, validation_data=x)  # type: ignore[arg-type]


def test_evaluate_computes_the_mean_cross_entropy_and_accuracy(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    logits = model.predict(x).astype(np.float64)
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    for batch_size in (1, 7, 50, 99):
        result = model.evaluate(x, y, batch_size=batch_size)
        assert math.isclose(result["loss"], -logarithms[np.arange(50), y].mean(), rel_tol=1e-5)
        assert math.isclose(result["accuracy"], (logits.argmax(axis=1) == y).mean(), rel_tol=1e-6)


def test_mean_squared_error_is_the_mean_over_every_number(x: np.ndarray) -> None:
    model, y = dense_model(), x[:, :3] * 2
    model.compile(loss="mean_squared_error")
    expected = np.mean((model.predict(x).astype(np.float64) - y) ** 2)
    assert math.isclose(model.evaluate(x, y)["loss"], expected, rel_tol=1e-5)
    assert list(model.evaluate(x, y)) == ["loss"]


def test_one_number_a_sample_may_be_a_flat_target(x: np.ndarray) -> None:
    model = nn.Sequential([nn.Dense(1)], input_shape=(4,))
    model.compile(loss="mean_squared_error")
    assert model.evaluate(x, x[:, 0]) == model.evaluate(x, x[:, :1])
    assert model.evaluate(x, np.arange(50)) == model.evaluate(x, np.arange(50.0)[:, None])


def test_train_on_batch_returns_the_loss_before_the_step(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    before = model.evaluate(x, y, batch_size=50)["loss"]
    assert math.isclose(model.train_on_batch(x, y), before, rel_tol=1e-6)
    assert model.train_on_batch(x, y) < before


def test_plain_gradient_descent_subtracts_the_gradient(x: np.ndarray, y: np.ndarray) -> None:
    model = dense_model()
    model.compile(nn.SGD(0.5), loss="softmax_cross_entropy")
    before = {name: array.copy() for name, array in model.weights.items()}
    loss = model.compute_gradients(x, y)
    assert math.isclose(loss, model.evaluate(x, y, batch_size=50)["loss"], rel_tol=1e-6)
    gradients = {name: array.copy() for name, array in model.gradients.items()}
    assert all(np.array_equal(model.weights[name], array) for name, array in before.items())
    model.apply_gradients()
    for name, array in model.weights.items():
        assert np.any(gradients[name])
        assert np.allclose(array, before[name] - 0.5 * gradients[name], rtol=0, atol=1e-7)


def test_the_two_halves_of_a_step_are_a_step(x: np.ndarray, y: np.ndarray) -> None:
    whole, halves = compiled(dense_model()), compiled(dense_model())
    for _ in range(5):
        loss = whole.train_on_batch(x, y)
        assert halves.compute_gradients(x, y) == loss
        halves.apply_gradients()
    for name, array in whole.weights.items():
        assert np.array_equal(array, halves.weights[name])


def test_gradients_agree_with_finite_differences(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    model.compute_gradients(x, y)
    for name, gradient in model.gradients.items():
        weight, step = model.weights[name].reshape(-1), 1e-2
        for index in (0, weight.size - 1):
            kept = weight[index]
            losses = []
            for value in (kept + step, kept - step):
                weight[index] = value
                losses.append(model.evaluate(x, y)["loss"])
            weight[index] = kept
            slope = (losses[0] - losses[1]) / (2 * step)
            # Float32 losses near 1 differ by 1e-7 at the least: 1e-5 in the slope; the rest is the third derivative.
            assert abs(slope - gradient.reshape(-1)[index]) < 2e-3


def test_clipping_limits_the_norm_of_all_gradients(x: np.ndarray, y: np.ndarray) -> None:
    model = dense_model()
    model.compile(nn.SGD(1.0), loss="softmax_cross_entropy", clip_norm=1e-3)
    before = np.concatenate([array.ravel() for array in model.weights.values()]).copy()
    model.train_on_batch(x, y)
    after = np.concatenate([array.ravel() for array in model.weights.values()])
    assert math.isclose(float(np.linalg.norm(after - before)), 1e-3, rel_tol=1e-2)


def test_the_limit_of_the_norm_can_be_set_at_any_time(x: np.ndarray, y: np.ndarray) -> None:
    def step(model: nn.Model) -> float:
        before = np.concatenate([array.ravel() for array in model.weights.values()])
        model.train_on_batch(x, y)
        return float(np.linalg.norm(np.concatenate([array.ravel() for array in model.weights.values()]) - before))

    model = dense_model()
    model.compile(nn.SGD(1.0), loss="softmax_cross_entropy")
    assert model.clip_norm is None
    assert step(model) > 1e-2
    model.clip_norm = 1e-3
    assert model.clip_norm == 1e-3
    assert math.isclose(step(model), 1e-3, rel_tol=1e-2)
    assert copy.copy(model).clip_norm == 1e-3
    model.clip_norm = None
    assert model.clip_norm is None and step(model) > 1e-2
    with pytest.raises(nn.InvalidArgumentError, match="clip_norm"):
        model.clip_norm = -1
    with pytest.raises(TypeError, match="'clip_norm' must be a number"):
        model.clip_norm = "1"  # type: ignore[assignment]
    assert model.clip_norm is None
    with pytest.raises(RuntimeError, match="clip_norm needs a compiled model"):
        dense_model().clip_norm = 1


@pytest.mark.parametrize(
    "optimizer", ["sgd", "adam", nn.SGD(0.1, momentum=0.9, nesterov=True), nn.Adam(weight_decay=0)]
)
def test_optimizers_are_given_by_name_or_object(optimizer: Any, x: np.ndarray, y: np.ndarray) -> None:
    model = dense_model()
    model.compile(optimizer, loss="softmax_cross_entropy")
    assert model.train_on_batch(x, y) > model.train_on_batch(x, y)


def test_compiling_again_keeps_the_parameters(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    model.fit(x, y, verbose=0)
    before = model.predict(x)
    compiled(model)
    assert np.array_equal(model.predict(x), before)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"loss": "soft_cross_entropy"}, ValueError, "did you mean 'softmax_cross_entropy'"),
        ({"loss": "mean_squared_error", "optimizer": "adma"}, ValueError, "adam"),
        ({"loss": "mean_squared_error", "optimizer": 3}, TypeError, "optimizer"),
        ({"loss": "mean_squared_error", "optimizer": nn.Adam}, TypeError, "optimizer"),
        ({"loss": "mean_squared_error", "metrics": ["accurracy"]}, ValueError, "accuracy"),
        ({"loss": "mean_squared_error", "metrics": ["accuracy", "accuracy"]}, ValueError, "one metric"),
        ({"loss": "mean_squared_error", "clip_norm": -1}, ValueError, "clip_norm"),
    ],
)
def test_a_wrong_argument_of_compile_is_refused(options: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        dense_model().compile(**options)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs"),
        ({"epochs": 2.5}, TypeError, "epochs"),
        ({"epochs": [1]}, TypeError, "epochs"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": -5}, ValueError, "batch_size"),
        ({"batch_size": 2**63}, ValueError, "batch_size"),
        ({"validation_split": 1.0}, ValueError, "validation_split"),
        ({"validation_split": -0.5}, ValueError, "validation_split"),
        ({"verbose": 7}, ValueError, "verbose"),
        ({"callbacks": ["print"]}, TypeError, "callbacks"),
    ],
)
def test_a_wrong_argument_of_fit_is_refused(
    options: dict[str, Any], kind: type[Exception], message: str, x: np.ndarray, y: np.ndarray
) -> None:
    with pytest.raises(kind, match=message):
        compiled(dense_model()).fit(x, y, **{"verbose": 0, **options})


@pytest.mark.parametrize("what", ["fit", "evaluate", "train_on_batch", "compute_gradients"])
def test_training_needs_a_compiled_model(what: str, x: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(RuntimeError, match=f"{what} needs a compiled model; call compile first"):
        getattr(dense_model(), what)(x, y)


@pytest.mark.parametrize("label", [-1, 3, 2**31 - 1, -(2**31), 2**40])
@pytest.mark.parametrize("what", ["fit", "evaluate", "train_on_batch"])
def test_a_label_out_of_range_is_refused_and_changes_nothing(what: str, label: int, x: np.ndarray) -> None:
    model = compiled(dense_model())
    before = model.predict(x)
    labels = np.zeros(50, np.int64)
    labels[20] = label
    options = {"verbose": 0} if what == "fit" else {}
    with pytest.raises(nn.InvalidArgumentError):
        getattr(model, what)(x, labels, **options)
    if what != "fit":
        assert np.array_equal(model.predict(x), before)


def test_labels_that_are_no_integers_are_refused(x: np.ndarray) -> None:
    with pytest.raises(nn.ElementTypeError, match=r"y: expected integers.*astype"):
        compiled(dense_model()).fit(x, np.zeros(50), verbose=0)


@pytest.mark.parametrize("shape", [(49,), (50, 3), (0,), ()])
def test_labels_of_the_wrong_shape_are_refused(shape: tuple[int, ...], x: np.ndarray) -> None:
    model = compiled(dense_model())
    for call in (model.evaluate, model.train_on_batch):
        with pytest.raises(nn.ShapeError):
            call(x, np.zeros(shape, int))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_stops_before_any_weight_changes(bad: float, x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    before = model.predict(x)
    spoilt = x.copy()
    spoilt[3, 2] = bad
    # An infinite input saturates tanh: a weight of either sign keeps the loss finite, and a zero makes it NaN.
    model.weights["dense/kernel"][2, 0] = 0
    before = model.predict(x)
    with pytest.raises(nn.NumericError):
        model.train_on_batch(spoilt, y)
    with pytest.raises(ArithmeticError):
        model.fit(spoilt, y, batch_size=50, verbose=0)
    assert np.array_equal(model.predict(x), before)
    model.fit(x, y, verbose=0)


def test_a_callback_sees_every_epoch_and_ends_the_fit(x: np.ndarray, y: np.ndarray) -> None:
    seen: list[nn.EpochReport] = []

    def callback(report: nn.EpochReport) -> bool:
        seen.append(report)
        return report.epoch == 3

    history = compiled(dense_model()).fit(x, y, epochs=10, verbose=0, callbacks=[callback])
    assert [report.epoch for report in seen] == [1, 2, 3]
    assert {report.epochs for report in seen} == {10}
    assert history.history["loss"] == [report.logs["loss"] for report in seen]
    assert str(seen[0]).startswith("epoch 1/10  loss ")


def test_a_callback_of_steps_sees_every_step_and_ends_the_fit(x: np.ndarray, y: np.ndarray) -> None:
    seen: list[nn.StepReport] = []
    epochs: list[nn.EpochReport] = []

    def callback(report: nn.StepReport) -> bool:
        seen.append(report)
        return (report.epoch, report.step) == (2, 2)

    history = compiled(dense_model()).fit(
        x,
        y,
        epochs=10,
        batch_size=16,
        validation_data=(x, y),
        verbose=0,
        callbacks=[epochs.append],
        step_callbacks=[lambda report: None, callback],
    )
    assert [(report.epoch, report.step) for report in seen] == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2)]
    assert {(report.epochs, report.steps) for report in seen} == {(10, 4)}
    assert all(set(report.logs) == {"loss", "accuracy"} for report in seen)
    assert seen[3].logs["loss"] == epochs[0].logs["loss"] == history.history["loss"][0]
    assert history.epochs == len(epochs) == 1
    assert str(seen[1]).startswith("epoch 1/10, step 2/4  loss ")


def test_a_callback_of_steps_sets_the_rate_of_the_next_step(x: np.ndarray, y: np.ndarray) -> None:
    model, weights = compiled(dense_model()), []

    def callback(report: nn.StepReport) -> None:
        weights.append(model.weights["dense/kernel"].copy())
        model.optimizer.learning_rate = 0.0

    model.fit(x, y, batch_size=10, verbose=0, step_callbacks=[callback])
    assert len(weights) == 5
    assert all(np.array_equal(each, weights[0]) for each in weights)
    assert not np.array_equal(weights[0], dense_model().weights["dense/kernel"])


def test_an_exception_in_a_callback_of_steps_ends_the_fit_and_is_raised(x: np.ndarray, y: np.ndarray) -> None:
    model, calls = compiled(dense_model()), []

    def callback(report: nn.StepReport) -> None:
        calls.append(report)
        raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        model.fit(x, y, epochs=10, batch_size=10, verbose=0, step_callbacks=[callback])
    assert len(calls) == 1


def test_evaluate_gives_what_the_validation_of_a_fit_gives(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    history = model.fit(x, y, validation_data=(x, y), batch_size=16, verbose=0).history
    assert model.evaluate(x, y, batch_size=16) == {
        "loss": history["val_loss"][0],
        "accuracy": history["val_accuracy"][0],
    }


def test_an_exception_in_a_callback_ends_the_fit_and_is_raised(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    calls = []

    def callback(report: nn.EpochReport) -> None:
        calls.append(report)
        raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        model.fit(x, y, epochs=10, verbose=0, callbacks=[callback])
    assert len(calls) == 1
    assert model.fit(x, y, verbose=0).epochs == 1


def test_a_callback_may_predict_save_and_build(x: np.ndarray, y: np.ndarray, tmp_path: Any) -> None:
    model = compiled(dense_model())
    saved: list[np.ndarray] = []

    def callback(report: nn.EpochReport) -> None:
        model.save(tmp_path / f"{report.epoch}.nnkit")
        saved.append(model.predict(x))
        dense_model().predict(x)

    model.fit(x, y, epochs=3, verbose=0, callbacks=[callback])
    for epoch, predicted in enumerate(saved, start=1):
        assert np.array_equal(nn.load(tmp_path / f"{epoch}.nnkit").predict(x), predicted)
    assert not np.array_equal(saved[0], saved[2])


def test_a_model_in_training_is_busy(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    told: list[str] = []

    def callback(report: nn.EpochReport) -> None:
        for call in (model.evaluate, model.train_on_batch, model.compute_gradients, lambda *_: model.freeze("*")):
            with pytest.raises(nn.BusyError) as caught:
                call(x, y)
            told.append(str(caught.value))
        with pytest.raises(nn.BusyError, match="another fit of this model has not ended"):
            model.fit(x, y, verbose=0)
        # What a callback may do with the trainer.
        model.optimizer.learning_rate = 2 * model.optimizer.learning_rate
        copy.copy(model).fit(x, y, verbose=0)
        assert model.gradients["dense/kernel"].any()

    model.fit(x, y, verbose=0, callbacks=[callback])
    assert len(told) == 4
    assert all(
        "in the very call that this callback belongs to; a callback can change its settings" in each for each in told
    )
    model.fit(x, y, verbose=0)


def test_fits_of_one_model_in_several_threads_have_their_own_validation_samples(x: np.ndarray, y: np.ndarray) -> None:
    model = dense_model()
    model.compile(nn.SGD(0.0), loss="softmax_cross_entropy")
    validation = {count: (np.full((count, 4), count, np.float32), np.zeros(count, np.int32)) for count in range(1, 7)}
    expected = {count: model.evaluate(*samples)["loss"] for count, samples in validation.items()}
    wrong: list[Any] = []

    def work(count: int) -> None:
        for _ in range(40):
            try:
                history = model.fit(x[:8], y[:8], validation_data=validation[count], verbose=0).history
            except nn.BusyError:
                continue
            if history["val_loss"] != [expected[count]]:
                wrong.append(history)

    run_in_threads(work, validation, 1e-6)
    assert not wrong
    assert "val_loss" not in model.fit(x, y, verbose=0).history


def test_a_model_and_its_data_may_be_let_go_inside_the_callback(random: np.random.Generator) -> None:
    box: list[Any] = [compiled(dense_model())]

    def callback(report: nn.EpochReport) -> None:
        box.clear()

    history = box[0].fit(random.normal(size=(64, 4)), np.zeros(64, int), epochs=3, verbose=0, callbacks=[callback])
    assert history.epochs == 3


def test_control_c_ends_a_fit(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model())
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=10_000_000, verbose=0)
    assert model.fit(x, y, verbose=0).epochs == 1


def test_control_c_inside_a_callback_is_raised_at_once(x: np.ndarray, y: np.ndarray) -> None:
    reached: list[str] = []

    def callback(report: nn.EpochReport) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # A signal is seen between two instructions, not always the next two.
            pass
        reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        compiled(dense_model()).fit(x, y, epochs=10, verbose=0, callbacks=[callback])
    assert reached == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_program_that_handles_control_c_itself_is_left_alone(x: np.ndarray, y: np.ndarray) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        history = compiled(dense_model()).fit(
            x, y, epochs=3, verbose=0, callbacks=[lambda report: os.kill(os.getpid(), signal.SIGINT)]
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert history.epochs == 3
    assert seen == [signal.SIGINT] * 3


def test_shuffling_changes_the_order_and_can_be_turned_off(x: np.ndarray, y: np.ndarray) -> None:
    def trained(shuffle: bool) -> np.ndarray:
        model = compiled(dense_model())
        model.fit(x, y, epochs=2, batch_size=8, shuffle=shuffle, verbose=0)
        return model.predict(x)

    by_hand = compiled(dense_model())
    for _ in range(2):
        for start in range(0, 50, 8):
            by_hand.train_on_batch(x[start : start + 8], y[start : start + 8])
    assert np.array_equal(trained(shuffle=False), by_hand.predict(x))
    assert not np.array_equal(trained(shuffle=True), trained(shuffle=False))


def test_fit_reads_arrays_in_place_whatever_their_strides(images: np.ndarray, labels: np.ndarray) -> None:
    def trained(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        model = compiled(image_model())
        model.fit(x, y, epochs=2, batch_size=8, verbose=0)
        return model.predict(images)

    expected = trained(images, labels)
    channels_first = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    wide = np.zeros((40, 6, 6, 5), np.float32)
    wide[..., 1:5:2] = images
    every_second = np.repeat(labels, 2).astype(np.int64)[::2]
    assert np.array_equal(trained(channels_first, labels), expected)
    assert np.array_equal(trained(wide[..., 1:5:2], every_second), expected)
    assert np.array_equal(trained(images[::-1][::-1], labels[::-1][::-1]), expected)


def test_a_functional_model_trains_with_several_inputs(random: np.random.Generator) -> None:
    words, lengths = nn.Input((None,), "int32", name="words"), nn.Input((), "int32", name="lengths")
    model = nn.Model([words, lengths], nn.Dense(2)(nn.LSTM(8)([nn.Embedding(6, 4)(words), lengths])))
    sequences, length = random.integers(0, 6, size=(200, 5)), random.integers(1, 6, size=200)
    last = sequences[np.arange(200), length - 1] > 2
    history = compiled(model).fit({"words": sequences, "lengths": length}, last, epochs=25, verbose=0)
    assert history.history["accuracy"][-1] > 0.95


def test_int64_and_int32_labels_train_alike(sequences: np.ndarray, labels: np.ndarray) -> None:
    results = []
    for dtype in (np.int32, np.int64):
        model = compiled(sequence_model())
        model.fit(sequences.astype(dtype), labels.astype(dtype), epochs=2, verbose=0)
        results.append(model.predict(sequences))
    assert np.array_equal(*results)
