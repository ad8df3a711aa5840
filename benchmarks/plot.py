"""The ratios as a bar chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

GOAL = 1.5


def draw(rows: list[dict[str, Any]], path: Path, subtitle: str) -> None:
    """How many times as fast as the best peer each workload is. Draws nothing where no row has a ratio."""
    rows = [row for row in rows if "ratio" in row][::-1]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(9, 1.4 + 0.45 * len(rows)), layout="constrained")
    colors = ["#2a78b5" if row["ratio"] >= 1 else "#c05b4d" for row in rows]
    bars = axes.barh([row["title"] for row in rows], [row["ratio"] for row in rows], color=colors)
    axes.bar_label(bars, [f"{row['ratio']:.2f}x {row['best']}" for row in rows], padding=4, fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.axvline(GOAL, color="gray", linewidth=0.8, linestyle="--")
    axes.set_xlim(0, 1.35 * max(GOAL, *(row["ratio"] for row in rows)))
    axes.set_xlabel("times as fast as the best peer (dashed: the goal)")
    axes.set_title(f"NNKit against the best peer on the same CPU\n{subtitle}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
