"""Writes layers.pyi and optimizers.pyi, for editors and type checkers, from the catalog of a built library.

Usage: python type_stubs.py LIBRARY FOLDER
"""

from __future__ import annotations

import ctypes
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
from typing import Any, Literal

__all__: list[str]
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
    layers = _HEADER.format(title="The layers") + "from ._graph import Layer as Layer\n"
    for layer in catalog["layers"]:
        layers += _class(layer, "Layer", is_layer=True)
    optimizers = _HEADER.format(title="The optimizers") + _OPTIMIZER
    for optimizer in catalog["optimizers"]:
        optimizers += _class(optimizer, "Optimizer", is_layer=False)
    for name, text in (("layers.pyi", layers), ("optimizers.pyi", optimizers)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


def _class(entry: dict[str, Any], base: str, is_layer: bool) -> str:
    options = [option for option in entry["options"] if option["name"] != "name"]
    parameters = ["self", *map(_parameter, options)]
    if is_layer:
        parameters += ["*", "name: str | None = None"]
    lines = ["", "", f"class {entry['class']}({base}):", '    """' + _quoted(entry["summary"]), "", "    Arguments:"]
    lines += [f"        {option['name']}: {_quoted(option.get('summary', ''))}" for option in options]
    if is_layer:
        lines.append("        name: Its name in the model, in messages and in parameter names.")
    lines += [
        '    """',
        "    def __init__(",
        *(f"        {parameter}," for parameter in parameters),
        "    ) -> None: ...",
    ]
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


def _hint(option: dict[str, Any]) -> str:
    if option["type"] == "enum":
        return f"Literal[{', '.join(json.dumps(choice) for choice in option['choices'])}]"
    return _HINTS.get(option["type"], "Any")


def _parameter(option: dict[str, Any]) -> str:
    if option.get("required"):
        return f"{option['name']}: {_hint(option)}"
    default = option.get("default")
    return f"{option['name']}: {_hint(option)} | None = {tuple(default) if isinstance(default, list) else default!r}"


def _quoted(text: str) -> str:
    """A phrase of the catalog as a sentence inside a docstring."""
    text = text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
    return text.replace("\\", "\\\\").replace('"""', "'''")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write_stubs(sys.argv[1], sys.argv[2])
