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
        layers += _class(layer, "Layer", named=True)
    optimizers = _HEADER.format(title="The optimizers") + "from ._catalog import Described\n"
    optimizers += '\n\nclass Optimizer(Described):\n    """An optimizer and its options."""\n'
    for optimizer in catalog["optimizers"]:
        optimizers += _class(optimizer, "Optimizer", named=False)
    for name, text in (("layers.pyi", layers), ("optimizers.pyi", optimizers)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


def _class(entry: dict[str, Any], base: str, named: bool) -> str:
    options = [option for option in entry["options"] if option["name"] != "name"]
    parameters = ["self", *map(_parameter, options)]
    if named:
        parameters += ["*", "name: str | None = None"]
    lines = ["", "", f"class {entry['class']}({base}):", '    """' + _quoted(entry["summary"]), "", "    Arguments:"]
    lines += [f"        {option['name']}: {_quoted(option.get('summary', ''))}" for option in options]
    if named:
        lines.append("        name: Its name in the model, in messages and in parameter names.")
    lines += [
        '    """',
        "    def __init__(",
        *(f"        {parameter}," for parameter in parameters),
        "    ) -> None: ...",
        "",
    ]
    return "\n".join(lines)


def _parameter(option: dict[str, Any]) -> str:
    if option["type"] == "enum":
        hint = f"Literal[{', '.join(json.dumps(choice) for choice in option['choices'])}]"
    else:
        hint = _HINTS.get(option["type"], "Any")
    if option.get("required"):
        return f"{option['name']}: {hint}"
    default = option.get("default")
    return f"{option['name']}: {hint} | None = {tuple(default) if isinstance(default, list) else default!r}"


def _quoted(text: str) -> str:
    """A phrase of the catalog as a sentence inside a docstring."""
    text = text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
    return text.replace("\\", "\\\\").replace('"""', "'''")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write_stubs(sys.argv[1], sys.argv[2])
