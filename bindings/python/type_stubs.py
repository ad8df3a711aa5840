"""Writes layers.pyi and optimizers.pyi, for editors and type checkers, from the catalog of a built library.

Usage: python type_stubs.py LIBRARY FOLDER
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import sys
from typing import Any

# The catalog's option types as type hints.
_HINTS = {
    "int": "int",
    "float": "float",
    "bool": "bool",
    "string": "str",
    "int_list": "int | Sequence[int]",
    "padding": 'Literal["valid", "same"] | int | Sequence[int]',
}

_HEADER = '''\
"""{title} (made from the library's catalog)."""

from collections.abc import Sequence
from typing import Any, Literal, overload
'''

_OPTIMIZER = '''\
from ._catalog import Described
from ._handles import TrainerHandle

class Optimizer(Described):
    """An optimizer and its options, which are attributes that can be set."""

    def _of_model(self, trainer: TrainerHandle) -> Optimizer: ...
    def _retire(self) -> None: ...

KINDS: dict[str, type[Optimizer]]
'''


def read_catalog(library: str) -> dict[str, Any]:
    """The catalog of the library in the file `library`."""
    function = ctypes.CDLL(os.path.abspath(library)).nnk_catalog_json
    function.restype = ctypes.c_char_p
    return dict(json.loads(function()))


def write_stubs(library: str, folder: str) -> None:
    """Writes both files to `folder`."""
    catalog = read_catalog(library)
    layers = _HEADER.format(title="The layers") + "from ._graph import Layer\n" + _exports("Layer", catalog["layers"])
    for layer in catalog["layers"]:
        layers += _class(layer, "Layer", catalog["foreign"], is_layer=True)
    optimizers = _HEADER.format(title="The optimizers") + _OPTIMIZER + _exports("Optimizer", catalog["optimizers"])
    for optimizer in catalog["optimizers"]:
        optimizers += _class(optimizer, "Optimizer", catalog["foreign"], is_layer=False)
    for name, text in (("layers.pyi", layers), ("optimizers.pyi", optimizers)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


def _exports(base: str, entries: list[dict[str, Any]]) -> str:
    return f"\n__all__ = {json.dumps([base, *(entry['class'] for entry in entries)])}\n"


def _class(entry: dict[str, Any], base: str, foreign: dict[str, Any], is_layer: bool) -> str:
    options = [option for option in entry["options"] if option["name"] != "name"]
    lines = ["", "", f"class {entry['class']}({base}):", '    """' + _quoted(entry["summary"]), "", "    Arguments:"]
    lines += [f"        {option['name']}: {_quoted(option.get('summary', ''))}" for option in options]
    if is_layer:
        lines.append("        name: Its name in the model, in messages and in parameter names.")
    lines.append('    """')
    initializers = _initializers(options, foreign, is_layer)
    for parameters in initializers:
        lines += ["    @overload"] * (len(initializers) > 1)
        lines += ["    def __init__(", *(f"        {parameter}," for parameter in parameters), "    ) -> None: ..."]
    # An optimizer's options can be set, those of a layer only read.
    for option in options:
        optional = "" if option.get("required") or option.get("default") is not None else " | None"
        hint = _hint(option) + optional
        if is_layer:
            lines += ["    @property", f"    def {option['name']}(self) -> {hint}: ..."]
        else:
            lines.append(f"    {option['name']}: {hint}")
    if is_layer:
        lines += ["    @property", "    def name(self) -> str | None: ..."]
    return "\n".join([*lines, ""])


def _initializers(options: list[dict[str, Any]], foreign: dict[str, Any], is_layer: bool) -> list[list[str]]:
    """The parameters of each way to make one: every required option by NNKit's name or by one of another library."""
    names = {
        option["name"]: [option["name"], *(name for name, own in foreign["options"].items() if option["name"] in own)]
        for option in options
    }
    required = [option["name"] for option in options if option.get("required")]
    found = []
    for chosen in itertools.product(*(names[name] for name in required)):
        name_of = dict(zip(required, chosen))
        parameters = ["self"]
        for option in options:
            name = name_of.get(option["name"], option["name"])
            # What has another name than the catalog's has no place either, nor has what need not be given.
            if (name != option["name"] or (required and option["name"] not in required)) and "*" not in parameters:
                parameters.append("*")
            parameters.append(_parameter(option, name, foreign))
        others = [
            _parameter({**option, "default": None}, name, foreign)
            for option in options
            if option["name"] not in required
            for name in names[option["name"]][1:]
        ]
        if is_layer:
            others.insert(0, "name: str | None = None")
        if others and "*" not in parameters:
            parameters.append("*")
        found.append(parameters + others)
    return found


def _hint(option: dict[str, Any], foreign: dict[str, Any] | None = None) -> str:
    """The type of an option's value; with values of other libraries that mean the same, where they are taken."""
    if option["type"] == "enum":
        choices = option["choices"]
        same = [name for name, own in (foreign or {"values": {}})["values"].items() if own in choices]
        return f"Literal[{', '.join(json.dumps(choice) for choice in [*choices, *same])}]"
    return _HINTS.get(option["type"], "Any")


def _parameter(option: dict[str, Any], name: str, foreign: dict[str, Any]) -> str:
    if option.get("required"):
        return f"{name}: {_hint(option, foreign)}"
    default = option.get("default")
    default = tuple(default) if isinstance(default, list) else default
    return f"{name}: {_hint(option, foreign)} | None = {default!r}"


def _quoted(text: str) -> str:
    """A phrase of the catalog as a sentence inside a docstring."""
    text = text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
    return text.replace("\\", "\\\\").replace('"""', "'''")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write_stubs(sys.argv[1], sys.argv[2])
