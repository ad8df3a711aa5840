"""The table that `Model.summary` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any


def shape_text(shape: Sequence[int], batch: bool = True) -> str:
    """A shape as people write it: "(N, 28, 28, 1)", with "T" for an open time dimension."""
    sizes = ["N"] * batch + ["T" if size == -1 else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def table(title: str, info: dict[str, Any], frozen: Collection[str]) -> str:
    """Inputs and layers with their output shapes and parameters, and the totals. `frozen`: names of parameters."""
    rows = [(f"{entry['name']} (input)", shape_text(entry["shape"]), "", "", "") for entry in info["inputs"]]
    before = [entry["name"] for entry in info["inputs"]]
    linear = len(before) == 1
    frozen_counts: Counter[str] = Counter()
    for parameter in info["parameters"]:
        if parameter["name"] in frozen:
            frozen_counts[parameter["name"].rpartition("/")[0]] += parameter["count"]
    for layer in info["layers"]:
        sources = [str(source) for source in layer["inputs"]]
        linear = linear and sources == before[-1:]
        before.append(layer["name"])
        counts = f"{layer['parameters']:,}", f"{frozen_counts[layer['name']]:,}"
        rows.append(
            (f"{layer['name']} ({layer['kind']})", shape_text(layer["output_shape"]), *counts, ", ".join(sources))
        )
    heading = ("Layer (kind)", "Output shape", "Parameters", "Frozen", "Connected to")
    # A chain needs no column that says that each layer follows the one above.
    shown = [0, 1, 2, *([3] if frozen else []), *([] if linear else [4])]
    widths = {column: max(len(row[column]) for row in [heading, *rows]) for column in shown}

    def line(row: tuple[str, ...]) -> str:
        cells = [
            row[column].rjust(width) if column in (2, 3) else row[column].ljust(width)
            for column, width in widths.items()
        ]
        return "   ".join(cells).rstrip()

    footer = [f"{name}: {count:,} ({_bytes_text(4 * count)})" for name, count in _totals(info, frozen).items()]
    width = max(sum(widths.values()) + 3 * (len(shown) - 1), *map(len, footer), len(title))
    return "\n".join([title, "━" * width, line(heading), "─" * width, *map(line, rows), "━" * width, *footer])


def _totals(info: dict[str, Any], frozen: Collection[str]) -> dict[str, int]:
    parameters = info["parameters"]
    still = sum(each["count"] for each in parameters if each["name"] in frozen)
    trainable = sum(each["count"] for each in parameters if each["trainable"] and each["name"] not in frozen)
    total = info["parameter_count"]
    return {
        "Total parameters": total,
        "Trainable parameters": trainable,
        **({"Frozen parameters": still} if frozen else {}),
        "Non-trainable parameters": total - trainable - still,
    }


def _bytes_text(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
