"""The stubs that the package's build writes for editors and type checkers."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import pytest

import nnkit as nn
from nnkit._handles import library

SCRIPT = Path(__file__).resolve().parents[1] / "type_stubs.py"


@pytest.mark.skipif(not SCRIPT.is_file(), reason="the script is not beside an installed package")
@pytest.mark.parametrize(("module", "base"), [("layers", "Layer"), ("optimizers", "Optimizer")])
def test_stubs_hold_every_class_with_its_arguments(module: str, base: str, tmp_path: Path) -> None:
    import inspect

    runpy.run_path(str(SCRIPT))["write_stubs"](library._name, str(tmp_path))
    tree = ast.parse((tmp_path / f"{module}.pyi").read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name != base:
            functions = [item for item in node.body if isinstance(item, ast.FunctionDef)]
            (initializer,) = [item for item in functions if item.name == "__init__"]
            arguments = [*initializer.args.args[1:], *initializer.args.kwonlyargs]
            found[node.name] = [argument.arg for argument in arguments]
            assert ast.get_docstring(node)
    expected = {
        name: list(inspect.signature(kind).parameters)
        for name, kind in vars(getattr(nn, module)).items()
        if isinstance(kind, type) and issubclass(kind, getattr(nn, base)) and kind is not getattr(nn, base)
    }
    assert found == expected


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(nn.__file__).parent / "py.typed").is_file()
