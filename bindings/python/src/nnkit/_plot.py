"""The drawing of a training history. Imported when it is first needed: matplotlib takes long to load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise ImportError("plotting needs matplotlib; install it with `pip install nnkit[plot]`") from error

if TYPE_CHECKING:
    from .history import History

TRAINING_COLOR = "#2f6fde"
VALIDATION_COLOR = "#e8702a"
_INK = "#30343b"
# A curve of one point is not seen, and of a few each point is worth seeing.
_FEW_EPOCHS = 10


def plot_history(history: History) -> Figure:
    """One panel for the loss, one for each metric, training and validation together."""
    names = [name for name in history.history if not name.startswith("val_")]
    figure = Figure(figsize=(5.2 * len(names), 3.8), layout="constrained")
    FigureCanvasAgg(figure)  # A figure of its own canvas: pyplot's state and back end stay as they are.
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
        draw_curves(axes, history, name)
    return figure


def draw_curves(axes: Any, history: History, name: str) -> None:
    """The curve `name` of the training samples and, where there are, of the validation samples."""
    curves = [("training", name, TRAINING_COLOR), ("validation", f"val_{name}", VALIDATION_COLOR)]
    for label, key, color in curves:
        values = history.history.get(key)
        if values:
            marker = "o" if len(values) <= _FEW_EPOCHS else None
            text = f"{label}, {values[-1]:.4g} at the end"
            axes.plot(range(1, len(values) + 1), values, color=color, linewidth=1.8, marker=marker, label=text)
    tidy(axes)
    axes.set_title(name.replace("_", " ").capitalize())
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if history.epochs == 1:
        # By themselves the axes would show a hundredth of an epoch, and a range of a few percent around each number.
        axes.set_xlim(0, 2)
        axes.set_xticks([1])
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0), max(high * 1.25, 1e-6))
    axes.legend(frameon=False, fontsize=9)


def tidy(axes: Any) -> None:
    """A light grid, no box, quiet ink."""
    axes.grid(True, color="#e4e7ec", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b9bec7")
    axes.tick_params(colors=_INK, labelsize=9)
    axes.title.set_color(_INK)
