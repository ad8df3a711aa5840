"""The library's catalog: every layer, loss, optimizer and metric with its options, as Python classes and texts.

Options are checked where a program writes them, by what the catalog says of their types, ranges and choices. What
depends on a layer's input is checked by the library, when a model is made.
"""

from __future__ import annotations

import difflib
import inspect
import json
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from . import _handles
from ._attributes import Fixed
from ._shown import shown
from .errors import InvalidArgumentError


class Option(NamedTuple):
    """One option of a layer, an optimizer or a function."""

    name: str
    type: str
    required: bool
    default: Any
    choices: tuple[str, ...]
    summary: str
    lowest: float = -math.inf
    highest: float = math.inf
    excludes_highest: bool = False
    numbers: int = 1
    """Of a list: how many numbers there are, where it is not one that stands for all."""
    any_count: bool = False
    """Of a list: whether there may be any count up to that many."""

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Option:
        """The option that a catalog entry describes."""
        excludes = "exclusive_maximum" in entry
        return cls(
            entry["name"],
            entry["type"],
            bool(entry.get("required", False)),
            _tuple_of_list(entry.get("default")),
            tuple(entry.get("choices") or ()),
            entry.get("summary", ""),
            entry.get("minimum", -math.inf),
            entry["exclusive_maximum"] if excludes else entry.get("maximum", math.inf),
            excludes,
            entry.get("maximum_count", 1),
            bool(entry.get("any_count", False)),
        )

    def checked(self, value: Any, owner: str) -> Any:
        """`value` as a plain bool, int, float, string or tuple of ints, which nobody can change, and under NNKit's name
        where it is another library's for the same.

        Raises: TypeError if the type does not fit, InvalidArgumentError if the value does not; both name `owner` and
        the option, and say what was expected.
        """
        problem = f"{owner}: argument '{self.name}' must be {self.expectation}, got {shown(value)}"
        try:
            value = _TYPES[self.type][1](value)
        except _MismatchError:
            raise TypeError(f"{problem} ({type(value).__name__})") from None
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{owner}: argument '{self.name}': {error}") from None
        if isinstance(value, str) and self.choices:
            own = own_name(value, self.choices, FOREIGN["values"])
            if own is None:
                raise InvalidArgumentError(problem + hint(value, self.choices, FOREIGN["values"]))
            return own
        if not self._allows(value):
            raise InvalidArgumentError(problem)
        return value

    def _allows(self, value: Any) -> bool:
        numbers = value if isinstance(value, tuple) else (value,)
        if self.type == "padding":
            return len(numbers) in (1, 2, 4) and all(0 <= number <= _LARGEST_SIZE for number in numbers)
        if self.type not in ("int", "float", "int_list"):
            return True
        if self.excludes_highest and numbers[0] >= self.highest:
            return False
        counts = range(1, self.numbers + 1) if self.any_count else (1, self.numbers)
        return len(numbers) in counts and all(self.lowest <= number <= self.highest for number in numbers)

    @property
    def expectation(self) -> str:
        """The type and the range in words, with the choices."""
        words = _TYPES[self.type][0]
        if self.type == "enum":
            return "one of " + ", ".join(map(repr, self.choices))
        if self.type == "int_list" and not self.any_count:
            return f"an integer or {self.numbers} integers{self.range_text}"
        return words + self.range_text

    @property
    def range_text(self) -> str:
        """The range in words: " from 0 to below 1"; nothing where there is none."""
        if math.isinf(self.lowest) and math.isinf(self.highest):
            return ""
        if self.highest >= 2**52:  # Beyond it, no bound is one that anybody meets.
            return f" of at least {self.lowest:g}"
        below = "below " if self.excludes_highest else ""
        low, high = (
            f"{number:g}" if isinstance(number, float) else str(number) for number in (self.lowest, self.highest)
        )
        return f" from {low} to {below}{high}"


def hint_of_class(name: str, own: Iterable[str]) -> str:
    """What to write in place of the class `name`, which is none of `own`, if that can be told."""
    kinds = {layer["kind"]: layer["class"] for layer in _catalog["layers"]}
    kind = FOREIGN["kinds"].get(name.lower())
    if kind is not None:
        return f"; did you mean {kinds[kind]!r}?"
    near = difflib.get_close_matches(name.lower(), {each.lower(): each for each in own}, 1)
    return next((f"; did you mean {each!r}?" for each in own if [each.lower()] == near), "")


def own_name(name: str, own: Iterable[str], foreign: Mapping[str, Any]) -> str | None:
    """`name` as one of `own`: itself, or what it stands for where it is another library's. None: neither."""
    if name in own:
        return name
    stands_for = foreign.get(name, ())
    return next((each for each in ([stands_for] if isinstance(stands_for, str) else stands_for) if each in own), None)


def hint(name: str, own: Iterable[str], foreign: Mapping[str, Any]) -> str:
    """What to write in place of `name`, which is none of `own`, if that can be told. Letters of any size count, and -
    as _."""
    plain = name.lower().replace("-", "_")
    if plain in FOREIGN["advice"]:
        return f"; {FOREIGN['advice'][plain]}"
    meant = own_name(plain, own, foreign) or next(iter(difflib.get_close_matches(plain, own, 1)), None)
    return f"; did you mean {meant!r}?" if meant else ""


def _tuple_of_list(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _sentence(text: str) -> str:
    """The catalog's phrases begin small and end without a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


class _MismatchError(Exception):
    """A value of another type than the option's."""


def _int_of(value: Any) -> int:
    if isinstance(value, bool):
        raise _MismatchError
    try:
        return operator.index(value)
    except TypeError:
        raise _MismatchError from None


def _float_of(value: Any) -> float:
    if isinstance(value, (bool, str, bytes)):
        raise _MismatchError
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise _MismatchError from None


def _bool_of(value: Any) -> bool:
    # A NumPy bool counts; 0 and 1 do not: bias=1 is more likely a misplaced positional argument.
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise _MismatchError


def _string_of(value: Any) -> str:
    if not isinstance(value, str):
        raise _MismatchError
    if not value or any(character.isspace() for character in value):
        raise InvalidArgumentError(f"{shown(value)} cannot be an option's value: it is empty or contains white space")
    return str(value)


def _int_list_of(value: Any) -> int | tuple[int, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        return _int_of(value)
    try:
        return tuple(_int_of(item) for item in value)
    except TypeError:  # An array without axes is no sequence.
        return _int_of(value)


def _padding_of(value: Any) -> str | int | tuple[int, ...]:
    return _string_of(value) if isinstance(value, str) else _int_list_of(value)


def value_text(value: Any) -> str:
    """A checked value as the library reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else repr(value)


_TYPES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "int": ("an integer", _int_of),
    "float": ("a number", _float_of),
    "bool": ("True or False", _bool_of),
    "string": ("a string", _string_of),
    "enum": ("a string", _string_of),
    "int_list": ("an integer or a sequence of integers", _int_list_of),
    "padding": ("'valid', 'same', or 1, 2 or 4 integers", _padding_of),
}

_LARGEST_SIZE = 1 << 24
"""The largest padding, as the library has it."""

_NAME = Option("name", "string", False, None, (), "its name in the model, in messages and in parameter names")


class Port(NamedTuple):
    """An input or output of a layer."""

    name: str
    count: str
    """"one", "optional", "many", or the name of the option that has as many numbers."""

    @property
    def text(self) -> str:
        """The name, and how many there may be."""
        return {"one": self.name, "optional": f"{self.name} (optional)", "many": f"{self.name} (one or more)"}.get(
            self.count, f"{self.name}, as many as '{self.count}' has numbers"
        )


class Entry(NamedTuple):
    """A layer or an optimizer in the catalog."""

    kind: str
    class_name: str
    summary: str
    options: tuple[Option, ...]
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()

    @property
    def positional(self) -> tuple[Option, ...]:
        """The options that may be given by their place: those that must be given, or, where none must, all.

        What comes behind has another meaning in other libraries: Conv2D(3, 16, 3) is none of a stride.
        """
        required = sum(option.required for option in self.options)
        own = tuple(option for option in self.options if option is not _NAME)
        return own[:required] if required else own


class Described(Fixed):
    """Something of the catalog with options: a layer or an optimizer.

    Positional arguments come in the catalog's order, keyword arguments by option name; None means the default. Each
    option can be read as an attribute.
    """

    __slots__ = ("__weakref__", "_options")

    _entry: ClassVar[Entry]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        kind = type(self)
        if not hasattr(kind, "_entry"):
            kinds = ", ".join(each.__name__ for each in kind.__subclasses__())
            raise TypeError(f"nn.{kind.__name__} is what these have in common: {kinds}; make one of them")
        entry = self._entry
        positional = entry.positional
        if len(arguments) > len(positional):
            meant = _hint_of_place(arguments[len(positional)], entry.options)
            raise TypeError(
                f"{entry.class_name} takes {len(positional)} positional arguments at most "
                f"({', '.join(option.name for option in positional) or 'none'}), got {len(arguments)}"
                + (meant or "; give the others by name (how many inputs there are follows from the layer before)")
            )
        given = {option.name: value for option, value in zip(positional, arguments)}
        names = [option.name for option in entry.options]
        for name, value in named.items():
            own = own_name(name, names, FOREIGN["options"]) or name
            if own in given:
                raise TypeError(f"{entry.class_name}: argument '{own}' was given twice")
            given[own] = value
        self._set_up(given)

    def _set_up(self, given: Mapping[str, Any]) -> None:
        entry = self._entry
        options = {option.name: option for option in entry.options}
        for name in given:
            if name not in options:
                raise TypeError(unknown_argument(entry.class_name, name, options))
        self._options: dict[str, Any] = {}
        for name, value in given.items():
            if value is None:
                continue
            try:
                self._options[name] = options[name].checked(value, entry.class_name)
            except TypeError as error:
                raise TypeError(f"{error}{_hint_of_place(value, entry.options)}") from None
        for option in entry.options:
            if option.required and option.name not in self._options:
                raise TypeError(f"{entry.class_name}: argument '{option.name}' is missing: {option.summary}")

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that were given, by name; not to be written to."""
        return MappingProxyType(self._options)

    def _text(self) -> str:
        """The options as the library reads them."""
        return " ".join(f"{name}={value_text(value)}" for name, value in self.options.items())

    @property
    def kind(self) -> str:
        """The catalog's name for it, such as "conv2d" or "adam"."""
        return self._entry.kind

    def _get_option(self, option: Option) -> Any:
        return self.options.get(option.name, option.default)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _restored, (type(self), dict(self.options), getattr(self, "__dict__", {}))

    def __repr__(self) -> str:
        required = {option.name for option in self._entry.options if option.required}
        options = [repr(value) if name in required else f"{name}={value!r}" for name, value in self.options.items()]
        return f"{self._entry.class_name}({', '.join(options)})"


def _restored(kind: type[Described], options: dict[str, Any], attributes: dict[str, Any]) -> Described:
    """A copy, by `copy` or `pickle`: one with the same options, in no model yet."""
    restored = kind.__new__(kind)
    restored._set_up(options)
    if attributes:
        restored.__dict__.update(attributes)
    return restored


def _hint_of_place(value: Any, options: Iterable[Option]) -> str:
    """Which option a text is for that was given to another: as another library's second argument, say."""
    for option in options:
        if isinstance(value, str) and own_name(value, option.choices, FOREIGN["values"]):
            return f"; is it meant for {option.name}={value!r}?"
    return ""


def unknown_argument(owner: str, name: str, options: Iterable[str]) -> str:
    """What is wrong with an argument of this name, where these are all that there are."""
    options = list(options)
    advice = hint(name, options, FOREIGN["options"])
    return f"{owner} has no argument '{name}'{advice}{'' if advice[-1:] == '?' else '.'} It takes {', '.join(options)}"


def make_class(entry: Entry, base: type[Described], module: str) -> type[Described]:
    """A subclass of `base` for one entry, with documentation and signature from the catalog."""
    lines = [_sentence(entry.summary), ""]
    if entry.inputs:
        lines += [f"Inputs: {', '.join(port.text for port in entry.inputs)}.", ""]
    lines.append("Arguments:")
    for option in entry.options:
        default = "" if option.required or option.default is None else f" Default: {option.default}."
        lines.append(f"    {option.name}: {_sentence(option.expectation)} {_sentence(option.summary)}{default}")
    parameters = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD if option in entry.positional else inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if option.required else option.default,
        )
        for option in entry.options
    ]
    members: dict[str, Any] = {
        **{option.name: _option_property(option, base) for option in entry.options},
        "__slots__": (),
        "_entry": entry,
        "__doc__": "\n".join(lines),
        "__module__": module,
        "__signature__": inspect.Signature(parameters),
    }
    return type(entry.class_name, (base,), members)


def _option_property(option: Option, base: type[Described]) -> property:
    def get(self: Any) -> Any:
        return self._get_option(option)

    def set_(self: Any, value: Any) -> None:
        self._set_option(option, value)

    assert not hasattr(base, option.name), option.name
    return property(get, set_ if hasattr(base, "_set_option") else None, doc=_sentence(option.summary))


_catalog: dict[str, Any] = json.loads(_handles.catalog_json())

FOREIGN: dict[str, dict[str, Any]] = _catalog["foreign"]
"""What other libraries' names of options and values stand for, and what is said of those that stand for nothing."""


def layer_entries() -> list[Entry]:
    """Every layer. All take `name` as well."""
    return [
        Entry(
            layer["kind"],
            layer["class"],
            layer["summary"],
            (*(option for option in map(Option.read, layer["options"]) if option.name != "name"), _NAME),
            tuple(Port(**port) for port in layer["inputs"]),
            tuple(Port(**port) for port in layer["outputs"]),
        )
        for layer in _catalog["layers"]
    ]


def optimizer_entries() -> list[Entry]:
    """Every optimizer."""
    return [
        Entry(entry["name"], entry["class"], entry["summary"], tuple(map(Option.read, entry["options"])))
        for entry in _catalog["optimizers"]
    ]


def function_option(function: str, name: str) -> Option:
    """An option of a function of the C interface."""
    return next(Option.read(entry) for entry in _catalog["functions"][function] if entry["name"] == name)


def catalog() -> dict[str, Any]:
    """Every layer, loss, optimizer, metric and function with its options, as nested dictionaries: a copy."""
    return dict(json.loads(_handles.catalog_json()))


def number(value: Any, name: str) -> float:
    """An argument that is a number. Raises: TypeError for anything else, text too."""
    try:
        return _float_of(value)
    except _MismatchError:
        raise TypeError(f"argument '{name}' must be a number, got {shown(value)} ({type(value).__name__})") from None


def truth(value: Any, name: str) -> bool:
    """An argument that is True or False. Raises: TypeError for anything else."""
    try:
        return _bool_of(value)
    except _MismatchError:
        raise TypeError(
            f"argument '{name}' must be True or False, got {shown(value)} ({type(value).__name__})"
        ) from None


def option_text(**options: Any) -> str:
    """Options for the library: `option_text(epochs=3, shuffle=True)` is "epochs=3 shuffle=true"; None is left out."""
    texts = []
    for name, value in options.items():
        if value is None:
            continue
        if isinstance(value, bool):
            read: Callable[[Any], Any] = _bool_of
        elif isinstance(value, str):
            read = _string_of
        else:
            read = _float_of if isinstance(value, float) else _int_of
        try:
            texts.append(f"{name}={value_text(read(value))}")
        except _MismatchError:
            raise TypeError(
                f"argument '{name}': {shown(value)} ({type(value).__name__}) is of the wrong type"
            ) from None
    return " ".join(texts)
