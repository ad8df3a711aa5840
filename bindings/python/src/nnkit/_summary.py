"""The table that `Model.summary` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def shape_text(shape: Sequence[int], batch: bool = True) -> str:
    """A shape as people write it: "(N, 28, 28, 1)", with "T" for an open time dimension."""
    sizes = ["N"] * batch + ["T" if size == -1 else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def table(title: str, info: dict[str, Any]) -> str:
    """Inputs and layers with their output shapes and parameters, and the totals."""
    rows = [(f"{entry['name']} (input)", shape_text(entry["shape"]), "", "") for entry in info["inputs"]]
    before = [entry["name"] for entry in info["inputs"]]
    linear = len(before) == 1
    for layer in info["layers"]:
        sources = [str(source) for source in layer["inputs"]]
        linear = linear and sources == before[-1:]
        before.append(layer["name"])
        count = f"{layer['parameters']:,}"
        rows.append(
            (f"{layer['name']} ({layer['kind']})", shape_text(layer["output_shape"]), count, ", ".join(sources))
        )
    heading = ("Layer (kind)", "Output shape", "Parameters", "Connected to")
    shown = 3 if linear else 4  # A chain needs no column that says that each layer follows the one above.
    widths = [max(len(row[column]) for row in [heading, *rows]) for column in range(shown)]

    def line(row: tuple[str, ...]) -> str:
        cells = [
            cell.rjust(width) if column == 2 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        return "   ".join(cells).rstrip()

    total = info["parameter_count"]
    trainable = sum(parameter["count"] for parameter in info["parameters"] if parameter["trainable"])
    footer = [
        f"{name}: {count:,} ({_bytes_text(4 * count)})"
        for name, count in [
            ("Total parameters", total),
            ("Trainable parameters", trainable),
            ("Non-trainable parameters", total - trainable),
        ]
    ]
    width = max(sum(widths) + 3 * (shown - 1), *map(len, footer), len(title))
    return "\n".join([title, "━" * width, line(heading), "─" * width, *map(line, rows), "━" * width, *footer])


def _bytes_text(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
