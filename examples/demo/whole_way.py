"""The demonstration: both trainings, both models in C, the pictures, the figures and the table."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import nnkit as nn

import c_program
import digits
import figures
import sunspots


def table(rows: list[tuple[str, str, str, bool | None]]) -> str:
    """Result, goal and whether it was reached, in columns. None: a figure without a goal."""
    words = {True: "reached", False: "MISSED", None: ""}
    cells = [("", "result", "goal", ""), *((name, result, goal, words[ok]) for name, result, goal, ok in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = [
        f"{name:<{widths[0]}}   {result:>{widths[1]}}   {goal:<{widths[2]}}   {word}".rstrip()
        for name, result, goal, word in cells
    ]
    rule = "─" * max(map(len, lines))
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def run(library: Path, output: Path) -> bool:
    """Trains, saves, runs from C, draws and reports. Returns whether every goal was reached."""
    started = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    info = nn.runtime_info()
    print(f"NNKit {nn.version}, {info['threads']} threads, {info['isa']}\n")

    print("Handwritten digits")
    read = digits.train()
    print("\nSunspots")
    forecast = sunspots.train()

    digits_path, sunspots_path = output / "digits.nnkit", output / "sunspots.nnkit"
    read.model.save(digits_path)
    forecast.model.save(sunspots_path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = c_program.build_c_program(folder)
        same_digits = c_program.same_from_c(program, library, digits_path, read.images, folder)
        same_sunspots = c_program.same_from_c(program, library, sunspots_path, forecast.inputs, folder)
    figures.draw_digits(read, output / "digits.png")
    figures.draw_sunspots(forecast, output / "sunspots.png")

    below = 1 - forecast.rmse / forecast.persistence_rmse
    ar9_below = 1 - forecast.ar9_rmse / forecast.persistence_rmse
    seconds = time.monotonic() - started
    results = {
        "digits": {
            "accuracy": read.accuracy,
            "held_out_samples": len(read.labels),
            "parameters": read.model.parameter_count,
            "c_equals_python": same_digits,
        },
        "sunspots": {
            "rmse": forecast.rmse,
            "persistence_rmse": forecast.persistence_rmse,
            "ar9_rmse": forecast.ar9_rmse,
            "below_persistence": below,
            "held_out_years": len(forecast.forecast),
            "parameters": forecast.model.parameter_count,
            "c_equals_python": same_sunspots,
        },
        "seconds": seconds,
        "runtime": info,
    }
    (output / "results.json").write_text(json.dumps(results, indent=2) + "\n")

    goal = sunspots.GOAL_BELOW_PERSISTENCE
    rows: list[tuple[str, str, str, bool | None]] = [
        (
            "Digits: accuracy on the held-out fifth",
            f"{read.accuracy:.4f}",
            f"≥ {digits.GOAL_ACCURACY}",
            read.accuracy >= digits.GOAL_ACCURACY,
        ),
        ("Sunspots: RMSE on the held-out fifth", f"{forecast.rmse:.2f}", "", None),
        ("    as last year (persistence)", f"{forecast.persistence_rmse:.2f}", "", None),
        ("    LSTM below persistence", f"{below:.1%}", f"≥ {goal:.0%}", below >= goal),
        ("    least-squares AR(9) below persistence", f"{ar9_below:.1%}", "", None),
        ("C predicts the same bits: digits", "yes" if same_digits else "no", "yes", same_digits),
        ("C predicts the same bits: sunspots", "yes" if same_sunspots else "no", "yes", same_sunspots),
        ("Seconds, training and all", f"{seconds:.1f}", "", None),
    ]
    print(f"\n{table(rows)}\nWritten to {output}: digits.png, sunspots.png, results.json, digits.nnkit, sunspots.nnkit")
    return all(ok is not False for *_, ok in rows)
