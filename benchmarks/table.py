"""The rows as a table for people."""

from __future__ import annotations

import math
from typing import Any

from compare import OURS, OURS_C

HEADINGS = [
    "workload",
    "ours ms",
    "in C",
    "best peer ms",
    "",
    "ratio",
    "/before",
    "of peak",
    "1->n",
    "MB ours",
    "/PyTorch",
]


def geometric_mean(rows: list[dict[str, Any]]) -> float | None:
    """Of the ratios; None where there is none."""
    ratios = [row["ratio"] for row in rows if "ratio" in row]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def text(rows: list[dict[str, Any]]) -> str:
    """The table, with the geometric mean and what was skipped or failed below it."""
    cells = [HEADINGS] + [_cells(row) for row in rows if "share" in row]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = []
    for line in cells:
        padded = [
            cell.ljust(width) if column in (0, 4) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths))
        ]
        lines.append("  ".join(padded).rstrip())
    mean = geometric_mean(rows)
    if mean is not None:
        lines += ["", f"geometric mean of the ratios: {mean:.2f}"]
    for row in rows:
        if "skipped" in row:
            lines.append(f"{row['name']}: skipped: {row['skipped']}")
        lines += [f"{row['name']}: {name}: {why}" for name, why in row["failed"].items()]
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> list[str]:
    times = row["milliseconds"]
    best = row.get("best")
    return [
        row["name"],
        _number(times[OURS]),
        _number(times.get(OURS_C)),
        _number(times[best]) if best else "",
        best or "",
        f"{row['ratio']:.2f}" if best else "",
        f"{row['ratio_before']:.3f}" if "ratio_before" in row else "",
        f"{100 * row['share']:.0f}%",
        f"{100 * row['efficiency']:.0f}%" if "efficiency" in row else "",
        f"{row['memory'][OURS] / 1e6:.0f}",
        f"{row['memory_share']:.2f}" if "memory_share" in row else "",
    ]


def _number(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return ""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"
