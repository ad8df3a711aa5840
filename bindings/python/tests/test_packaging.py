"""The stubs that the package's build writes for editors and type checkers."""

from __future__ import annotations

import ast
import inspect
import runpy
from pathlib import Path

import pytest
from conftest import required_options

import nnkit as nn
from nnkit._handles import library

SCRIPT = Path(__file__).resolve().parents[1] / "type_stubs.py"


needs_the_script = pytest.mark.skipif(not SCRIPT.is_file(), reason="the script is not beside an installed package")


def stubs(module: str, folder: Path) -> dict[str, ast.ClassDef]:
    """The classes of a stub file, by name."""
    runpy.run_path(str(SCRIPT))["write_stubs"](library._name, str(folder))
    tree = ast.parse((folder / f"{module}.pyi").read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def initializers(node: ast.ClassDef) -> list[ast.FunctionDef]:
    """All overloads."""
    return [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]


def names_of(initializer: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in [*initializer.args.args[1:], *initializer.args.kwonlyargs]]


def required_of(initializer: ast.FunctionDef) -> set[str]:
    arguments = initializer.args
    positional = arguments.args[1 : len(arguments.args) - len(arguments.defaults)]
    named = [argument for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults) if default is None]
    return {argument.arg for argument in [*positional, *named]}


@needs_the_script
@pytest.mark.parametrize(("module", "base"), [("layers", "Layer"), ("optimizers", "Optimizer")])
def test_stubs_hold_every_class_with_its_arguments(module: str, base: str, tmp_path: Path) -> None:
    found = {}
    for name, node in stubs(module, tmp_path).items():
        if name != base:
            arguments = names_of(initializers(node)[0])
            found[name] = [each for each in arguments if each not in nn.catalog()["foreign"]["options"]]
            assert ast.get_docstring(node)
    expected = {
        name: list(inspect.signature(kind).parameters)
        for name, kind in vars(getattr(nn, module)).items()
        if isinstance(kind, type) and issubclass(kind, getattr(nn, base)) and kind is not getattr(nn, base)
    }
    assert found == expected


@needs_the_script
@pytest.mark.parametrize(("module", "base"), [("layers", nn.Layer), ("optimizers", nn.Optimizer)])
def test_stubs_take_each_name_of_other_libraries_and_miss_what_is_missing(
    module: str, base: type, tmp_path: Path
) -> None:
    nodes, tried = stubs(module, tmp_path), 0
    for kind in base.__subclasses__():
        required = required_options(kind)
        found = [(set(names_of(each)), required_of(each)) for each in initializers(nodes[kind.__name__])]

        def takes(given: set[str], found: list[tuple[set[str], set[str]]] = found) -> bool:
            return any(needed <= given <= names for names, needed in found)

        assert takes(set(required))
        for name in required:
            assert not takes(set(required) - {name})
        for name, own in nn.catalog()["foreign"]["options"].items():
            for option in kind._entry.options:
                if option.name in own:
                    kind(**{**{key: value for key, value in required.items() if key != option.name}, name: GIVEN[name]})
                    assert takes({*required, name} - {option.name}), (kind, name)
                    tried += 1
    assert tried >= 5


# A value of each option that has a name in another library.
GIVEN = dict.fromkeys(nn.catalog()["foreign"]["options"], 2) | {
    "count_include_pad": True,
    "use_bias": False,
    **dict.fromkeys(("beta_1", "beta_2", "eps", "lr", "p"), 0.5),
}


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(nn.__file__).parent / "py.typed").is_file()
