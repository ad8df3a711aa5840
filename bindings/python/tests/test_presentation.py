"""What a user sees: tables, texts, progress bars and pictures."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import compiled, dense_model, image_model, sequence_model

import nnkit as nn


def test_summary_is_a_table_of_layers_shapes_and_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    image_model(name="small").summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Sequential 'small'"
    rows = {cells[0]: cells[1:] for cells in (re.split(r" {3,}", line) for line in lines)}
    assert rows["conv2d (conv2d)"] == ["(N, 6, 6, 5)", "95"]
    assert rows["dropout (dropout)"] == ["(N, 1, 1, 4)", "0"]
    assert lines[-3:] == [
        "Total parameters: 194 (776 bytes)",
        "Trainable parameters: 194 (776 bytes)",
        "Non-trainable parameters: 0 (0 bytes)",
    ]
    assert "Connected to" not in lines[2]


def test_summary_tells_parameters_that_are_trained_from_those_that_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.Sequential([nn.Dense(5, bias=False), nn.BatchNorm()], input_shape=(3,))
    model.summary()
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "Total parameters: 35 (140 bytes)",  # Of batchnorm: scale and shift, and two running statistics.
        "Trainable parameters: 25 (100 bytes)",
        "Non-trainable parameters: 10 (40 bytes)",
    ]


def test_summary_says_what_is_frozen(capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.Sequential([nn.Dense(5), nn.BatchNorm(), nn.Dense(2)], input_shape=(3,))
    model.compile("sgd")
    model.freeze("dense/*")
    model.freeze("batchnorm/moving_*")
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split("   ")[-1] == "Frozen"
    assert {line.split()[0]: line.split()[-2:] for line in lines[5:8]} == {
        "dense": ["20", "20"],
        "batchnorm": ["20", "10"],
        "dense_1": ["12", "0"],
    }
    assert lines[-4:] == [
        "Total parameters: 52 (208 bytes)",
        "Trainable parameters: 22 (88 bytes)",
        "Frozen parameters: 30 (120 bytes)",
        "Non-trainable parameters: 0 (0 bytes)",
    ]
    model.unfreeze()
    model.summary()
    assert "rozen" not in capsys.readouterr().out


def test_summary_gives_large_totals_in_larger_units(capsys: pytest.CaptureFixture[str]) -> None:
    nn.Sequential([nn.Dense(1000)], input_shape=(2000,)).summary()
    assert "Total parameters: 2,001,000 (7.6 MiB)" in capsys.readouterr().out.splitlines()


def test_summary_shows_open_time_as_t(capsys: pytest.CaptureFixture[str]) -> None:
    sequence_model().summary()
    output = capsys.readouterr().out
    assert "(N, T)" in output
    assert "(N, T, 7)" in output


def test_summary_of_a_graph_says_what_is_connected_to_what(capsys: pytest.CaptureFixture[str]) -> None:
    a = nn.Input((4,), name="numbers")
    nn.Model(a, [nn.Dense(3, name="left")(a), nn.Dense(2, name="right")(a)]).summary()
    output = capsys.readouterr().out.splitlines()
    assert output[0] == "Model"
    assert output[2].split("   ")[-1] == "Connected to"
    assert [line.split()[-1] for line in output if line.startswith(("left", "right"))] == ["numbers", "numbers"]


def test_models_and_histories_show_what_they_are(x: np.ndarray, y: np.ndarray) -> None:
    model = compiled(dense_model(name="tiny"))
    assert repr(model) == "<Sequential 'tiny': 2 layers, 67 parameters, (N, 4) -> (N, 3)>"
    history = model.fit(x, y, epochs=2, verbose=0)
    assert repr(history).startswith("<nnkit.History: 2 epochs, last: loss ")


def test_values_show_their_origin() -> None:
    a = nn.Input((None, 3), name="a")
    assert repr(a) == "<Input((None, 3), 'float32', name='a')>"
    assert repr(nn.LSTM(4)(a)) == "<value of LSTM(4)>"


def test_silent_means_silent(x: np.ndarray, y: np.ndarray, capfd: pytest.CaptureFixture[str]) -> None:
    compiled(dense_model()).fit(x, y, epochs=3, verbose=0)
    assert capfd.readouterr() == ("", "")


def test_the_progress_bar_ends_with_all_figures(
    x: np.ndarray, y: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    history = compiled(dense_model()).fit(x, y, epochs=2, batch_size=10, validation_data=(x, y))
    out, bars = capfd.readouterr()
    assert out == ""
    last = bars.rstrip().splitlines()[-1]
    assert last.lstrip("\r").startswith("Epoch 2/2 |")
    assert " 5/5 [" in last
    for name, values in history.history.items():
        assert f"{name} {values[-1]:.4f}" in last
    # In a file, where nothing can be overwritten, each bar is written once.
    assert bars.count("Epoch 1/2") == 1


def test_verbose_2_prints_a_line_for_each_epoch(
    x: np.ndarray, y: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    compiled(dense_model()).fit(x, y, epochs=12, verbose=2)
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 12
    assert lines[0].startswith("Epoch  1/12 ")
    assert "loss " in lines[11]


def test_a_failed_fit_closes_its_bar(x: np.ndarray, y: np.ndarray, capfd: pytest.CaptureFixture[str]) -> None:
    def callback(report: nn.EpochReport) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        compiled(dense_model()).fit(x, y, epochs=2, callbacks=[callback])
    assert capfd.readouterr().err.endswith("\n")


def test_plot_writes_a_picture(x: np.ndarray, y: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = compiled(dense_model()).fit(x, y, epochs=4, validation_split=0.2, verbose=0)
    history.plot(tmp_path / "history.png")
    history.plot(str(tmp_path / "history.svg"))
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG\r\n")
    picture = (tmp_path / "history.svg").read_text()
    for words in ("Loss", "Accuracy", "training", "validation", "epoch"):
        assert f"<!-- {words}" in picture


def test_plot_returns_the_figure_and_needs_no_file(x: np.ndarray, y: np.ndarray) -> None:
    figures = pytest.importorskip("matplotlib.figure")
    history = compiled(dense_model()).fit(x, y, epochs=2, validation_split=0.2, verbose=0)
    figure = history.plot()
    assert isinstance(figure, figures.Figure)
    assert [axes.get_title() for axes in figure.axes] == ["Loss", "Accuracy"]
    lines = {line.get_label().split(",")[0]: line for line in figure.axes[0].lines}
    assert list(lines["training"].get_ydata()) == history.history["loss"]
    assert list(lines["validation"].get_ydata()) == history.history["val_loss"]


def test_one_epoch_is_two_points_in_the_middle(x: np.ndarray, y: np.ndarray) -> None:
    pytest.importorskip("matplotlib")
    figure = compiled(dense_model()).fit(x, y, validation_split=0.2, verbose=0).plot()
    for axes in figure.axes:
        assert [line.get_marker() for line in axes.lines] == ["o", "o"]
        assert list(axes.get_xticks()) == [1]
        left, right = axes.get_xlim()
        assert (left + right) / 2 == 1 and right - left >= 1
        assert axes.get_ylim()[0] <= 0


def test_plotting_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no epoch"):
        nn.History().plot(tmp_path / "nothing.png")


def test_every_error_is_what_python_would_raise_too() -> None:
    natural = {
        nn.InvalidArgumentError: ValueError,
        nn.InvalidHandleError: ReferenceError,
        nn.ShapeError: ValueError,
        nn.ElementTypeError: TypeError,
        nn.OutOfMemoryError: MemoryError,
        nn.ModelFileError: OSError,
        nn.ModelFormatError: ValueError,
        nn.NumericError: ArithmeticError,
        nn.BusyError: RuntimeError,
        nn.UnsupportedError: NotImplementedError,
        nn.InternalError: RuntimeError,
    }
    assert {kind.status for kind in natural} == set(range(1, 12))
    for kind, python_kind in natural.items():
        assert issubclass(kind, nn.NNKitError)
        assert issubclass(kind, python_kind)
        assert str(kind("what was wrong")) == "what was wrong"


def test_without_tqdm_an_epoch_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model = nn.Sequential([nn.Dense(2)], input_shape=(3,))
    model.compile("sgd", loss="mean_squared_error")
    model.fit(np.zeros((4, 3)), np.zeros((4, 2)))
    assert capsys.readouterr().out.startswith("Epoch 1/1 ")
