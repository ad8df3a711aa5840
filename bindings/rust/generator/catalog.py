"""The library's catalogue as Rust: a struct for each layer, each optimizer and each function that takes options."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable
from typing import Any

from header import escaped

NOTICE = "//! Made from the library's catalogue by `python3 bindings/rust/generator`."

Entry = dict[str, Any]

UNBOUNDED = 1e18
"""A range that ends further out is no range to write down."""


def files(text: bytes) -> dict[str, str]:
    """The files, by their paths in nnkit/src."""
    catalog = json.loads(text)
    choices = Choices(catalog)
    functions = _functions(catalog["functions"])
    layers = [_layer(layer, choices) for layer in catalog["layers"]]
    optimizers = [_optimizer(optimizer, choices) for optimizer in catalog["optimizers"]]
    return {
        "layers.rs": _file(
            ["The layers, one struct for each; see [`Graph::layer`](crate::Graph::layer)."],
            ["use crate::options::OptionWriter;", "use crate::{choices, Error, Layer, Padding};"],
            layers,
        ),
        "optimizers.rs": _file(
            ["The optimizers, one struct for each: what a [`Trainer`](crate::Trainer) follows gradients by."],
            ["use crate::options::OptionWriter;", "use crate::{Error, Options};", "use std::borrow::Cow;"],
            [*optimizers, _optimizer_choice(catalog["optimizers"])],
        ),
        "settings.rs": _file(
            ["The options of functions, one struct for each. Each can also be given as text."],
            [
                "use crate::options::OptionWriter;",
                "use crate::optimizers;",
                "use crate::{choices, Error, Options};",
                "use std::borrow::Cow;",
            ],
            [_function(name, each, choices, catalog["optimizers"]) for name, each in functions.items()],
        ),
        "choices.rs": _file(
            ["The options that are one word of several."],
            ["use crate::options::OptionValue;", "use std::fmt;"],
            [
                *choices.enums(),
                "/// Of the catalogue that all this was made from: FNV-1a with 64 bits.\n#[cfg(test)]\n"
                f"pub(crate) const CATALOG_FINGERPRINT: u64 = {_fingerprint(text):#018x};\n",
            ],
        ),
    }


def _file(summary: list[str], uses: list[str], items: Iterable[str]) -> str:
    body = "\n".join(items)
    names = {"choices": "choices::", "Padding": "Padding", "optimizers": "optimizers::", "fmt": "fmt::"}
    used = []
    for use in uses:
        for name, sign in names.items():
            if sign not in body:
                use = re.sub(rf"(?<=\{{){name}, |, {name}(?=[,}}])", "", use)
                use = "" if re.fullmatch(rf"use (crate|std)::{name};", use) else use
        used.append(use)
    return "\n".join([*(f"//! {line}" for line in summary), "//!", NOTICE, "", *filter(None, used), "", body])


def _fingerprint(text: bytes) -> int:
    """FNV-1a with 64 bits."""
    value = 0xCBF29CE484222325
    for byte in text:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else text + "."


def doc(text: str, indent: str = "") -> str:
    """Doc comments."""
    text = escaped(text)
    prefix = f"{indent}/// "
    return "".join(f"{line}\n" for line in textwrap.wrap(text, 120, initial_indent=prefix, subsequent_indent=prefix))


class Choices:
    """The enums: one for each set of words, named for the first option that has it."""

    def __init__(self, catalog: Entry) -> None:
        self.names: dict[tuple[str, ...], str] = {}
        self.summaries: dict[str, str] = {}
        self.words: dict[str, dict[str, str]] = {}
        described = {
            "Loss": {entry["name"]: entry["summary"] for entry in catalog["losses"]},
            "Metric": {entry["name"]: entry["summary"] for entry in catalog["metrics"]},
        }
        owners = [*catalog["layers"], *({"options": options} for options in catalog["functions"].values())]
        for option in (option for owner in owners for option in owner["options"]):
            if option["type"] != "enum" or option["name"] == "optimizer":
                continue
            words = tuple(option["choices"])
            name = self.names.setdefault(words, _camel(option["name"].split("_")[-1]))
            self.summaries.setdefault(name, option["summary"])
            self.words[name] = {word: described.get(name, {}).get(word, "") for word in words}

    def name(self, option: Entry) -> str:
        """The enum of an option."""
        return self.names[tuple(option["choices"])]

    def enums(self) -> list[str]:
        """The declarations."""
        result = []
        for name, words in self.words.items():
            lines = [
                doc(_sentence(self.summaries[name])),
                "#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]\n#[non_exhaustive]\n",
                f"pub enum {name} {{\n",
            ]
            for word, summary in words.items():
                lines.append(doc(f"`{word}`" + (f": {summary}." if summary else "."), "    "))
                lines.append(f"    {_camel(word)},\n")
            every = ", ".join(f"{name}::{_camel(word)}" for word in words)
            lines += [
                "}\n\n",
                f"impl {name} {{\n    /// All of them.\n    pub const ALL: &'static [{name}] = &[{every}];\n\n",
                "    /// The library's word for it.\n    pub fn word(self) -> &'static str {\n        match self {\n",
                *(f'            {name}::{_camel(word)} => "{word}",\n' for word in words),
                "        }\n    }\n}\n\n",
                f"impl fmt::Display for {name} {{\n"
                "    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {\n"
                "        f.write_str(self.word())\n    }\n}\n\n",
                f"impl OptionValue for {name} {{\n"
                "    fn value(&self) -> Option<String> {\n        Some(self.word().to_string())\n    }\n}\n",
            ]
            result.append("".join(lines))
        return result


class Field:
    """An option as a field of a struct."""

    def __init__(self, option: Entry, choices: Choices) -> None:
        self.name: str = option["name"]
        self.required: bool = option["required"]
        default, kind = option["default"], option["type"]
        optional = default is None and not self.required
        literal = "None" if optional else None
        notes = []
        if kind == "int":
            self.type = "isize" if option["minimum"] < 0 else "u64" if option["maximum"] > UNBOUNDED else "usize"
            self.default = literal or str(default or 0)
        elif kind == "float":
            self.type = "f64"
            self.default = literal or repr(float(default or 0)).replace("e-0", "e-")
        elif kind == "bool":
            self.type, self.default = "bool", literal or str(bool(default)).lower()
        elif kind == "string":
            self.type, self.default = "String", literal or "String::new()"
        elif kind == "int_list" and option.get("any_count"):
            self.type = "Vec<isize>" if option["minimum"] < 0 else "Vec<usize>"
            self.default = literal or f"vec!{list(default or [])!r}"
        elif kind == "int_list":
            count = option["maximum_count"]
            self.type = f"[usize; {count}]"
            self.default = literal or repr(list(default or [0] * count))
        elif kind == "padding":
            self.type, self.default = "Padding", literal or f"Padding::{_camel(default)}"
        elif kind == "enum":
            self.type = f"choices::{choices.name(option)}"
            # What cannot be left out and has no value that stands for nothing is an argument of `new` alone.
            self.default = literal or (f"{self.type}::{_camel(default)}" if default is not None else "")
        else:
            raise ValueError(f"option {self.name} has the unknown type {kind}")
        if optional:
            self.type = f"Option<{self.type}>"
        notes.append(_range(option))
        if self.required and self.default:
            notes.append("Must be given: the 0 of `Default` is refused.")
        elif not optional and self.default:
            notes.append(f"Default: `{self.default.removeprefix('choices::')}`.")
        self.doc = doc(" ".join([_sentence(option["summary"]), *filter(None, notes)]), "    ")


def _range(option: Entry) -> str:
    if option["type"] not in ("int", "float", "int_list"):
        return ""
    low, high, below = option["minimum"], option["maximum" if "maximum" in option else "exclusive_maximum"], "maximum"
    if high > UNBOUNDED:
        return f"At least {low}."
    return f"From {low} to {high}." if below in option else f"From {low} to below {high}."


def _struct(name: str, summary: list[str], fields: list[Field]) -> str:
    has_default = all(field.default for field in fields)
    zero = all(field.default in ("0", "0.0", "[0, 0]", "false", "None", "vec![]") for field in fields)
    exact = not any("f64" in field.type or "Optimizer" in field.type for field in fields)
    required = [field for field in fields if field.required]
    traits = ["Clone", "Debug", "PartialEq", *(["Eq", "Hash"] if exact else []), *(["Default"] if zero else [])]
    lines = [
        "".join(doc(line) if line else "///\n" for line in summary),
        f"#[derive({', '.join(traits)})]\n",
        f"pub struct {name} {{\n",
        *(f"{field.doc}    pub {field.name}: {field.type},\n" for field in fields),
        "}\n\n",
    ]
    if required:
        lines += [
            f"impl {name} {{\n    /// With what must be given; the rest has its defaults.\n",
            f"    pub fn new({', '.join(f'{field.name}: {field.type}' for field in required)}) -> Self {{\n",
            "        Self {",
            ", ".join(field.name if field.required else f"{field.name}: {field.default}" for field in fields),
            "}\n    }\n}\n\n",
        ]
    if has_default and not zero:
        lines += [
            f"impl Default for {name} {{\n    fn default() -> Self {{\n        Self {{",
            ", ".join(f"{field.name}: {field.default}" for field in fields),
            "}\n    }\n}\n\n",
        ]
    return "".join(lines)


def _writes(fields: list[Field]) -> str:
    return "".join(f'        options.put("{field.name}", &self.{field.name});\n' for field in fields)


def _layer(layer: Entry, choices: Choices) -> str:
    name, fields = layer["class"], [Field(option, choices) for option in layer["options"]]
    summary = [_sentence(layer["summary"]), "", f"Inputs: {', '.join(map(_port, layer['inputs']))}."]
    if layer["outputs"][0]["count"] != "one":
        summary.append(f"Outputs: {', '.join(map(_port, layer['outputs']))}.")
    return (
        _struct(name, summary, fields) + f"impl Layer for {name} {{\n"
        f'    fn kind(&self) -> &str {{\n        "{layer["kind"]}"\n    }}\n\n'
        "    fn options(&self) -> Result<String, Error> {\n        let mut options = OptionWriter::new();\n"
        f"{_writes(fields)}        options.finish()\n    }}\n}}\n"
    )


def _port(port: Entry) -> str:
    name, count = port["name"], port["count"]
    texts = {"one": name, "optional": f"{name} (optional)", "many": f"{name} (one or more)"}
    return texts.get(count, f"{name}, as many as `{count}` has numbers")


def _options_impl(name: str, writes: str) -> str:
    return (
        f"impl Options for {name} {{\n    fn text(&self) -> Result<Cow<'_, str>, Error> {{\n"
        f"        let mut options = OptionWriter::new();\n{writes}"
        "        options.finish().map(Cow::Owned)\n    }\n}\n"
    )


def _optimizer(optimizer: Entry, choices: Choices) -> str:
    name, fields = optimizer["class"], [Field(option, choices) for option in optimizer["options"]]
    summary = [_sentence(optimizer["summary"])]
    return _struct(name, summary, fields) + _options_impl(name, _writes(fields))


def _optimizer_choice(optimizers: list[Entry]) -> str:
    names = [optimizer["class"] for optimizer in optimizers]
    lines = [
        "/// One of the optimizers.\n#[derive(Clone, Debug, PartialEq)]\n#[non_exhaustive]\npub enum Optimizer {\n",
        *(f"{doc(_sentence(each['summary']), '    ')}    {each['class']}({each['class']}),\n" for each in optimizers),
        "}\n\nimpl Optimizer {\n    /// The library's word for it.\n    pub fn word(&self) -> &'static str {\n"
        "        match self {\n",
        *(f'            Optimizer::{each["class"]}(_) => "{each["name"]}",\n' for each in optimizers),
        "        }\n    }\n}\n\nimpl Options for Optimizer {\n    fn text(&self) -> Result<Cow<'_, str>, Error> {\n"
        "        match self {\n",
        *(f"            Optimizer::{name}(optimizer) => optimizer.text(),\n" for name in names),
        "        }\n    }\n}\n",
        *(
            f"\nimpl From<{name}> for Optimizer {{\n    fn from(optimizer: {name}) -> Self {{\n"
            f"        Optimizer::{name}(optimizer)\n    }}\n}}\n"
            for name in names
        ),
    ]
    return "".join(lines)


def _functions(functions: dict[str, list[Entry]]) -> dict[str, tuple[list[str], list[Entry]]]:
    """For each name of a struct the functions that take it, and the options. nnk_trainer_fit has FitOptions."""
    result: dict[str, tuple[list[str], list[Entry]]] = {}
    for function, options in sorted(functions.items(), key=lambda item: not item[0].endswith("_create")):
        equal = [names for names, others in result.values() if others == options]
        if equal and not function.endswith("_create"):
            equal[0].append(function)
            continue
        noun, _, verb = function.removeprefix("nnk_").rpartition("_")
        result[_camel(noun if verb == "create" else verb) + "Options"] = ([function], options)
    return result


def _function(name: str, function: tuple[list[str], list[Entry]], choices: Choices, optimizers: list[Entry]) -> str:
    functions, options = function
    classes = {each["name"]: each["class"] for each in optimizers}
    fields, writes = [], ""
    for option in options:
        if option["name"] == "optimizer":
            field = Field({**option, "type": "string"}, choices)
            field.type = "optimizers::Optimizer"
            default = classes[option["default"]]
            field.default = f"{field.type}::{default}(optimizers::{default}::default())"
            field.doc = doc(_sentence(option["summary"]), "    ")
            writes += '        options.put_word("optimizer", self.optimizer.word());\n'
            writes += "        options.put_all(&self.optimizer);\n"
        else:
            field = Field(option, choices)
            writes += _writes([field])
        fields.append(field)
    summary = ["The options of " + " and ".join(f"`{each}`" for each in functions) + "."]
    return _struct(name, summary, fields) + _options_impl(name, writes)
