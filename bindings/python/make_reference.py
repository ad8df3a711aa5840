"""Writes docs/reference.md from the catalog of the library that the nnkit package has.

Usage: python make_reference.py [FILE]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nnkit as nn

CATALOG = nn.catalog()

# What the inputs of layers are; an input of a new name needs a line here.
INPUTS = {
    "x": "what the layer works on",
    "y": "a second value, of the shape of `x`",
    "lengths": "int32 `[]`, one whole number for each sequence, 1 to T: how many of its time steps are data; see "
    "[lengths](lengths.md)",
}

OUTPUTS = {"y": "the parts, in their order"}

INTRODUCTION = """\
# Reference

<!-- Made by bindings/python/make_reference.py from the library's catalog (nnk_catalog_json). To change it, change what
the catalog says, and `make docs`. -->

Every layer, loss, optimizer and metric, and the options of every function that takes options. In C a layer is chosen by
its kind, and its options are text: `"filters=32 kernel=3,5 padding=same"`. In Python each layer and optimizer is a
class, whose arguments come in the order of the tables: `nn.Conv2D(32, (3, 5), padding="same")`. Shapes are those of one
sample, without the batch: H height, W width, C channels, T time steps, I inputs, U units.

One number in place of two stands for both. Padding is `valid` (none), `same` (as much as makes the output as large as
the input, divided by the stride), or 1, 2 or 4 numbers: all sides; vertical, horizontal; top, bottom, left, right.
"""

FUNCTIONS = """\
## Options of functions

Text, as the function's `options` take it. In Python they are arguments: of `compile` (`nnk_trainer_create`, with the
options of the optimizer), `fit`, `evaluate`, `predict` and `session_bytes` (`nnk_session_create`), `nn.Model`
(`nnk_model_create`) and `nn.Runtime` (`nnk_runtime_create`).
"""

FOREIGN = """\
## Names of other libraries

Names of Keras and PyTorch that mean exactly the same are read as well, wherever options are written. What a program
reads back, and what a file holds, are NNKit's own names.
"""

ADVICE = """\
For these there is no other name. The message says what to do:
"""

KINDS = """\
And in place of these layers:
"""


def main() -> None:
    """Writes the file."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "docs" / "reference.md"
    path.write_text(reference(), encoding="utf-8")


def reference() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "## Layers\n", _contents(), *map(_layer, CATALOG["layers"])]
    parts += ["## Losses\n", _losses(), "## Metrics\n", _named(CATALOG["metrics"])]
    parts += ["## Optimizers\n", *map(_optimizer, CATALOG["optimizers"]), FUNCTIONS]
    parts += [f"### `{name}`\n\n{_options(options)}" for name, options in CATALOG["functions"].items()]
    return "\n".join([*parts, FOREIGN, _foreign(), ADVICE, _advice(), KINDS, _kinds()])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _table(heading: list[str], rows: list[list[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in [heading, ["---"] * len(heading), *rows]]
    return "".join(f"| {' | '.join(row)} |\n" for row in escaped)


def _contents() -> str:
    links = [f"[`{layer['kind']}`](#{layer['kind'].lower()})" for layer in CATALOG["layers"]]
    return ", ".join(links) + ".\n"


def _layer(layer: dict[str, Any]) -> str:
    inputs = [[_port(port), INPUTS[port["name"]]] for port in layer["inputs"]]
    outputs = [[_port(port), OUTPUTS[port["name"]]] for port in layer["outputs"] if port["count"] != "one"]
    return "\n".join([
        f"### {layer['kind']}\n",
        f"{_sentence(layer['summary'])} In Python `nn.{layer['class']}`.\n",
        _table(["input", ""], inputs),
        *([_table(["output", ""], outputs)] if outputs else []),
        _options(layer["options"]),
    ])  # fmt: skip


def _port(port: dict[str, Any]) -> str:
    count = {"one": "", "optional": ", optional", "many": ", one or more"}
    return f"`{port['name']}`" + count.get(port["count"], f", as many as `{port['count']}` has numbers")


def _optimizer(optimizer: dict[str, Any]) -> str:
    return "\n".join([
        f"### {optimizer['name']}\n",
        f"{_sentence(optimizer['summary'])} In Python `nn.{optimizer['class']}`.\n",
        _options(optimizer["options"]),
    ])  # fmt: skip


def _losses() -> str:
    rows = [
        [
            f"`{loss['name']}`",
            _sentence(loss["summary"]),
            _code_list(loss["metrics"]) or "none",
        ]
        for loss in CATALOG["losses"]
    ]
    return _table(["loss", "", "metrics"], rows)


def _named(entries: list[dict[str, Any]]) -> str:
    return _table(
        ["metric", ""],
        [[f"`{entry['name']}`", _sentence(entry["summary"])] for entry in entries],
    )


def _options(options: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"`{option['name']}`",
            _allowed(option),
            _default(option),
            _sentence(option["summary"]),
        ]
        for option in options
    ]
    return _table(["option", "what it may be", "default", ""], rows)


def _default(option: dict[str, Any]) -> str:
    if option["required"]:
        return "required"
    value = option["default"]
    if value is None:
        return ""
    text = (
        ",".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else json.dumps(value)
    )
    return f"`{text}`"


def _allowed(option: dict[str, Any]) -> str:
    kind = option["type"]
    if kind == "enum":
        return _code_list(option["choices"])
    words = {
        "bool": "`true` or `false`",
        "string": "a word",
        "padding": "`valid`, `same`, or 1, 2 or 4 whole numbers",
        "int": "a whole number",
        "float": "a number",
        "int_list": f"1 or {option.get('maximum_count')} whole numbers, each",
    }[kind]
    return words + (_range(option) if kind in ("int", "float", "int_list") else "")


def _range(option: dict[str, Any]) -> str:
    below = "exclusive_maximum" in option
    low, high = option["minimum"], option["exclusive_maximum" if below else "maximum"]
    if high >= 2**52:  # As large as a number of its type can be.
        return f" of at least {_number(low)}"
    return f" from {_number(low)} to {'below ' if below else ''}{_number(high)}"


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _code_list(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _foreign() -> str:
    foreign = CATALOG["foreign"]
    options = [
        [f"`{name}=`", " or ".join(f"`{own}=`" for own in owns)] for name, owns in sorted(foreign["options"].items())
    ]
    values = [[f"`{name}`", f"`{own}`"] for name, own in sorted(foreign["values"].items())]
    return _table(["option or value", "stands for"], options + values)


def _advice() -> str:
    rows = [[f"`{name}`", advice] for name, advice in sorted(CATALOG["foreign"]["advice"].items())]
    return _table(["name", ""], rows)


def _kinds() -> str:
    rows = [[f"`{name}`", f"[`{own}`](#{own})"] for name, own in sorted(CATALOG["foreign"]["kinds"].items())]
    return _table(["layer", "there is"], rows)


if __name__ == "__main__":
    main()
