"""_ffi.py says what include/nnkit.h says."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import pytest

import nnkit as nn
from nnkit import _ffi, _handles, errors

HEADER = Path(__file__).resolve().parents[3] / "include" / "nnkit.h"

pytestmark = pytest.mark.skipif(not HEADER.is_file(), reason="the header is not beside an installed package")

SCALARS = {
    "int": ctypes.c_int,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint8_t": ctypes.c_uint8,
    "uint16_t": ctypes.c_uint16,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "double": ctypes.c_double,
    "nnk_status": ctypes.c_int32,
    "nnk_dtype": ctypes.c_int32,
    "nnk_value": ctypes.c_int32,
    "nnk_progress_callback": _ffi.ProgressCallback,
    "nnk_writer": _ffi.Writer,
}
STRUCTS = {"nnk_tensor": _ffi.Tensor, "nnk_progress": _ffi.Progress}


def header_text() -> str:
    """The header without comments and preprocessor lines."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


def ctypes_type(declaration: str) -> Any:
    """The ctypes type for the type of a C parameter or result."""
    words = declaration.replace("*", " * ").split()
    stars = words.count("*")
    base = next(word for word in words if word not in ("const", "struct", "*"))
    if base == "void":
        return ctypes.c_void_p if stars else None
    if base == "char":
        return ctypes.c_char_p if stars == 1 else ctypes.POINTER(ctypes.c_char_p)
    if base in STRUCTS:
        return ctypes.POINTER(STRUCTS[base]) if stars else STRUCTS[base]
    if base in SCALARS:
        return ctypes.POINTER(SCALARS[base]) if stars else SCALARS[base]
    # What is left are the handles.
    return ctypes.c_void_p if stars == 1 else ctypes.POINTER(ctypes.c_void_p)


def functions() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Every function of the header with its ctypes types."""
    found = {}
    for result, name, parameters in re.findall(r"NNK_API\s+([^;()]+?)\b(nnk_\w+)\s*\(([^)]*)\)\s*;", header_text()):
        pieces = [] if parameters.strip() == "void" else parameters.split(",")
        # The last word of a parameter is its name.
        types = [ctypes_type(re.sub(r"\w+\s*$", "", " ".join(piece.split()))) for piece in pieces]
        found[name] = (ctypes_type(result), tuple(types))
    return found


def test_the_header_is_read_in_full() -> None:
    assert len(functions()) == HEADER.read_text().count("\nNNK_API ") > 30


def test_every_function_of_the_header_is_declared_and_no_other() -> None:
    assert list(_ffi.FUNCTIONS) == list(functions())


# A view is a structure that Python fills in itself, evaluate reports, so that Ctrl-C ends it, and no program holds a
# session.
NOT_CALLED = {"nnk_tensor_view", "nnk_trainer_evaluate", "nnk_session_cancel"}


def test_every_function_of_the_header_is_called_by_the_package() -> None:
    sources = [path.read_text() for path in Path(nn.__file__).parent.glob("*.py")]
    called = {name for name in functions() if any(re.search(rf"\blibrary\.{name}\b", source) for source in sources)}
    assert set(functions()) - called - {"nnk_abi_version"} == NOT_CALLED
    # Methods of handles that nothing uses would be no way to reach a function.
    everything = "\n".join(sources)
    for kind in vars(_handles).values():
        if isinstance(kind, type) and issubclass(kind, _handles.Handle) and kind is not _handles.Handle:
            for method in (each for each in vars(kind) if not each.startswith("_")):
                assert len(re.findall(rf"\.{method}\b", everything)) > 0, (kind, method)


@pytest.mark.parametrize("name", _ffi.FUNCTIONS)
def test_function_has_the_types_of_the_header(name: str) -> None:
    assert _ffi.FUNCTIONS[name] == functions()[name]


def test_constants_equal_those_of_the_header() -> None:
    constants = dict(re.findall(r"\bNNK_(\w+)\s*=\s*(\d+)", header_text()))
    assert len(constants) >= 17
    for name, value in constants.items():
        assert getattr(_ffi, name) == int(value), name


def test_every_status_of_the_header_that_a_call_can_give_is_an_exception_of_its_own() -> None:
    statuses = {int(value) for value in re.findall(r"\bNNK_ERROR_\w+\s*=\s*(\d+)", header_text())}
    assert len(statuses) >= 12
    kinds = set()
    for status in statuses - {_ffi.ERROR_CANCELLED}:
        error = errors.error_for(status, "what was wrong")
        assert (error.status, str(error)) == (status, "what was wrong")
        kinds.add(type(error))
    assert kinds == set(errors.NNKitError.__subclasses__())
    assert len(kinds) == len(statuses) - 1


def test_a_status_without_an_exception_of_its_own_keeps_its_number() -> None:
    for status in (_ffi.ERROR_CANCELLED, 1000, -1):
        error = errors.error_for(status, "what was wrong")
        assert type(error) is errors.NNKitError
        assert (error.status, str(error)) == (status, "what was wrong")


def test_nothing_cancels_a_call() -> None:
    """Or NNK_ERROR_CANCELLED needs an exception of its own."""
    sources = {path.name: path.read_text() for path in Path(nn.__file__).parent.glob("*.py")}
    assert [name for name, text in sources.items() if "session_cancel" in text] == ["_ffi.py"]


def test_versions_equal_those_of_the_header() -> None:
    versions = dict(re.findall(r"#define NNK_(\w*VERSION\w*) (\d+)", HEADER.read_text()))
    assert int(versions["ABI_VERSION"]) == _ffi.ABI_VERSION
    dotted = ".".join(versions[f"VERSION_{part}"] for part in ("MAJOR", "MINOR", "PATCH"))
    assert nn.__version__ == dotted == nn.version


def struct_fields(body: str) -> list[tuple[str, Any]]:
    """Name and type of each field; a nested struct's fields as a list."""
    fields: list[tuple[str, Any]] = []
    for nested, nested_name, kind, stars, name in re.findall(
        r"struct\s*\{([^}]*)\}\s*(\w+)\s*;|(\w+)\s+(\**)(\w+)\s*;", body
    ):
        fields.append((nested_name, struct_fields(nested)) if nested_name else (name, ctypes_type(kind + stars)))
    return fields


def ctypes_fields(struct: Any) -> list[tuple[str, Any]]:
    """The fields of a ctypes structure in the same form."""
    return [
        (name, ctypes_fields(kind) if issubclass(kind, ctypes.Structure) else kind) for name, kind in struct._fields_
    ]


@pytest.mark.parametrize("name", STRUCTS)
def test_struct_has_the_fields_of_the_header_in_their_order(name: str) -> None:
    match = re.search(rf"typedef struct {name} \{{(.*?)\}} {name};", header_text(), flags=re.DOTALL)
    assert match
    assert ctypes_fields(STRUCTS[name]) == struct_fields(match.group(1))


def test_tensor_has_the_size_of_a_dltensor() -> None:
    assert ctypes.sizeof(_ffi.Tensor) == 48


def test_progress_says_its_own_size() -> None:
    assert _ffi.Progress._fields_[0][0] == "struct_bytes"
    assert ctypes.sizeof(_ffi.Progress) == 72
