"""The functions and constants of nnkit.h as the declarations of nnkit-sys."""

from __future__ import annotations

import re
import textwrap

NOTICE = "//! Made from include/nnkit.h by `python3 bindings/rust/generator`."

BASES = {
    "void": "c_void",
    "char": "c_char",
    "int": "c_int",
    "double": "f64",
    "int32_t": "i32",
    "int64_t": "i64",
    "uint32_t": "u32",
}


def rust_type(c: str) -> str:
    """`const char **` as `*mut *const c_char`."""
    tokens = re.findall(r"\w+|\*", c)
    constant = tokens[0] == "const"
    base, *rest = tokens[1:] if constant else tokens
    rust = BASES.get(base, base)
    for index, token in enumerate(rest):
        if token == "*":
            rust = f"*{'const' if constant else 'mut'} {rust}"
            constant = rest[index + 1 : index + 2] == ["const"]
    return rust


def escaped(text: str) -> str:
    """What Markdown would take for a link, a tag or emphasis, escaped, but in code."""
    parts = text.split("`")
    return "`".join(re.sub(r"([\[\]<>*])", r"\\\1", part) if i % 2 == 0 else part for i, part in enumerate(parts))


def _names_as_code(line: str) -> str:
    return re.sub(r"""(?<![`"\w])((?:nnk|NNK)_\w+(?:\(\))?)(?![`\w])""", r"`\1`", line)


def _doc(comment: str, indent: str) -> list[str]:
    """A comment as doc comments, filled again; what it returns is a paragraph of its own."""
    text = " ".join(re.sub(r"^\s*\* ?", "", line).strip() for line in comment.strip().splitlines())
    result: list[str] = []
    for paragraph in re.split(r" (?=Returns:)", escaped(_names_as_code(text))):
        if result:
            result.append(f"{indent}///")
        result += textwrap.wrap(paragraph, 120, initial_indent=f"{indent}/// ", subsequent_indent=f"{indent}/// ")
    return result


def functions(header: str) -> str:
    """functions.rs."""
    lines = [
        "//! The functions of the header, with its comments.",
        "//!",
        NOTICE,
        "",
        "use crate::types::*;",
        "use std::os::raw::{c_char, c_void};",
        "",
        "functions! {",
    ]
    comment, before, first = None, "", True
    text = header[header.index("#define NNK_ABI_VERSION") :]
    for match in re.finditer(r"/\*(.*?)\*/|NNK_API\s+([^;]*);|^(typedef|#define|enum)", text, re.S | re.M):
        if match.group(1) is not None:
            comment = match.group(1)
        elif match.group(3):
            comment = None
        else:
            prototype = " ".join(match.group(2).split())
            result, name, parameters = re.fullmatch(r"(.*?)\b(nnk_\w+)\((.*)\)", prototype).groups()
            if not first:
                lines.append("")
            first = False
            if comment is None and name.endswith("_destroy"):
                lines.append("    /// Gives the handle back. NULL does nothing, and any order is fine.")
            elif comment is None:
                lines.append(f"    /// See [`{before}`].")
            else:
                lines += _doc(comment, "    ")
            comment, before = None, name
            arguments = []
            for parameter in parameters.split(", ") if parameters != "void" else []:
                c, argument = re.fullmatch(r"(.*?)(\w+)", parameter).groups()
                arguments.append(f"{argument}: {rust_type(c)}")
            returned = "" if result.strip() == "void" else f" -> {rust_type(result)}"
            one_line = f"    fn {name}({', '.join(arguments)}){returned};"
            if len(one_line) <= 120:
                lines.append(one_line)
            else:
                lines += [f"    fn {name}(", *(f"        {argument}," for argument in arguments), f"    ){returned};"]
    return "\n".join([*lines, "}", ""])


def constants(header: str) -> str:
    """constants.rs."""
    lines = [
        "//! The constants of the header, with its comments.",
        "//!",
        NOTICE,
        "",
        f"use crate::types::{{{', '.join(sorted(owner for owner, _ in _ENUMS.findall(header) if owner))}}};",
        "",
    ]
    for name, value in re.findall(r"^#define (NNK_VERSION_\w+) (\d+)$", header, re.M):
        lines += [f"/// The header's version: {name[12:].lower()}.", f"pub const {name}: u32 = {value};"]
    comment, value = re.search(r"/\*([^/]*)\*/\n#define NNK_ABI_VERSION (\d+)", header).groups()
    lines += ["", *_doc(comment, ""), f"pub const NNK_ABI_VERSION: u32 = {value};"]
    for owner, body in _ENUMS.findall(header):
        lines.append("")
        for name, number, text in re.findall(r"(NNK_\w+) = (-?\d+),?[ ]*(?:/\*(.*?)\*/)?", body, re.S):
            lines += _doc(_sentence(text or _WITHOUT_COMMENT[name]), "")
            lines.append(f"pub const {name}: {owner or 'i32'} = {number};")
    return "\n".join([*lines, ""])


_ENUMS = re.compile(r"(?:typedef int32_t (\w+);\s*)?\benum \{(.*?)\};", re.S)
"""The enums, each with the type that its constants have."""

_WITHOUT_COMMENT = {"NNK_OK": "success", "NNK_FLOAT32": "32-bit floating point", "NNK_INT32": "32-bit integers"}


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + "."
