//! Holds every declaration against include/nnkit.h: names and signatures against its text, sizes, offsets and values
//! against what the C compiler makes of it.

use nnkit_sys::*;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::{align_of, size_of, MaybeUninit};
use std::path::{Path, PathBuf};
use std::process::Command;

const HEADER: &str = include_str!("../../../../include/nnkit.h");
const FUNCTIONS: &str = include_str!("../src/functions.rs");
const CONSTANTS: &str = include_str!("../src/constants.rs");
const TYPES: &str = include_str!("../src/types.rs");

/// A function: its parameters' names and types, and its result's type, in Rust's words.
type Signature = (Vec<(String, String)>, String);

fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut result = String::new();
    while let Some(start) = rest.find("/*") {
        result += &rest[..start];
        rest = &rest[start + 2..];
        rest = &rest[rest.find("*/").expect("an unfinished comment") + 2..];
    }
    (result + rest).lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A C type, such as `const char **`, in Rust's words. Read from the right, as C means it.
fn rust_type(c: &str) -> String {
    let spaced = c.replace('*', " * ");
    let mut tokens: Vec<&str> = spaced.split_whitespace().collect();
    // "const char" is "char const".
    if tokens[0] == "const" {
        tokens.swap(0, 1);
    }
    let base = match tokens[0] {
        "int8_t" => "i8",
        "int32_t" => "i32",
        "int64_t" => "i64",
        "uint8_t" => "u8",
        "uint16_t" => "u16",
        "uint32_t" => "u32",
        "uint64_t" => "u64",
        "double" => "f64",
        "char" => "c_char",
        "int" => "c_int",
        "void" => "c_void",
        other => other,
    };
    let mut rust = base.to_string();
    let mut constant = false;
    for token in &tokens[1..] {
        match *token {
            "const" => constant = true,
            "*" => {
                rust = format!("*{} {rust}", if constant { "const" } else { "mut" });
                constant = false;
            }
            other => panic!("{other:?} in the C type {c:?}"),
        }
    }
    rust
}

/// `const char *name` as a name and a type.
fn c_declaration(text: &str) -> (String, String) {
    let name_starts = text.rfind(|c: char| !c.is_alphanumeric() && c != '_').expect("a type and a name") + 1;
    (text[name_starts..].to_string(), rust_type(&text[..name_starts]))
}

fn c_parameters(text: &str) -> Vec<(String, String)> {
    match text.trim() {
        "void" => Vec::new(),
        list => list.split(',').map(|parameter| c_declaration(parameter.trim())).collect(),
    }
}

fn header_functions() -> BTreeMap<String, Signature> {
    let text = without_comments(HEADER);
    let mut functions = BTreeMap::new();
    for piece in text.split("NNK_API ").skip(1) {
        // What is behind #define NNK_API is no prototype.
        let prototype = one_line(piece.split(';').next().unwrap());
        if !prototype.contains(" *nnk_") && !prototype.contains(" nnk_") || prototype.contains('#') {
            continue;
        }
        let (front, parameters) = prototype.split_once('(').unwrap();
        let (name, result) = c_declaration(front);
        let result = if result == "c_void" { String::new() } else { result };
        functions.insert(name, (c_parameters(parameters.trim_end_matches(')')), result));
    }
    functions
}

fn rust_parameters(text: &str) -> Vec<(String, String)> {
    text.split(',')
        .map(str::trim)
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            let (name, kind) = parameter.split_once(':').unwrap();
            (name.trim().to_string(), kind.trim().to_string())
        })
        .collect()
}

fn rust_functions() -> BTreeMap<String, Signature> {
    let text = one_line(&without_comments(FUNCTIONS));
    let mut functions = BTreeMap::new();
    for piece in text.split("fn nnk_").skip(1) {
        let (declaration, _) = piece.split_once(';').unwrap();
        let (name, rest) = declaration.split_once('(').unwrap();
        let (parameters, result) = rest.split_once(')').unwrap();
        let result = result.trim().trim_start_matches("->").trim().to_string();
        functions.insert(format!("nnk_{name}"), (rust_parameters(parameters), result));
    }
    functions
}

#[test]
fn functions_have_the_signatures_of_the_header() {
    let (c, rust) = (header_functions(), rust_functions());
    assert!(c.len() >= 49, "only {} functions were found in the header", c.len());
    for (name, signature) in &c {
        assert_eq!(Some(signature), rust.get(name), "{name}");
    }
    assert_eq!(c.keys().collect::<Vec<_>>(), rust.keys().collect::<Vec<_>>());
}

#[test]
fn function_pointers_have_the_types_of_the_header() {
    let text = one_line(&without_comments(HEADER));
    let rust = one_line(&without_comments(TYPES));
    let mut found = 0;
    for piece in text.split("typedef int (*").skip(1) {
        let (name, rest) = piece.split_once(')').unwrap();
        let parameters = c_parameters(rest.trim_start_matches('(').split_once(')').unwrap().0);
        let declared = rust.split(&format!("pub type {name} = ")).nth(1).unwrap_or_else(|| panic!("no {name}"));
        let declared = declared.split(';').next().unwrap();
        let inside = declared.strip_prefix("Option<unsafe extern \"C\" fn(").unwrap();
        let (list, result) = inside.split_once(')').unwrap();
        assert_eq!(rust_parameters(list), parameters, "{name}");
        assert_eq!(result, " -> c_int>", "{name}");
        found += 1;
    }
    assert_eq!(found, rust.matches("extern \"C\" fn").count());
    assert!(found >= 2);
}

#[test]
fn names_for_numbers_and_handles_are_those_of_the_header() {
    let text = one_line(&without_comments(HEADER));
    let rust = one_line(&without_comments(TYPES));
    let (mut numbers, mut handles) = (BTreeSet::new(), BTreeSet::new());
    for piece in text.split("typedef ").skip(1) {
        let declaration = piece.split(';').next().unwrap();
        if let Some(name) = declaration.strip_prefix("int32_t ") {
            assert!(rust.contains(&format!("pub type {name} = i32;")), "{name}");
            numbers.insert(name);
        } else if let Some(names) = declaration.strip_prefix("struct ").filter(|names| !names.contains('{')) {
            handles.insert(names.split(' ').next().unwrap());
        }
    }
    let declared = rust.split("handles! { ").nth(1).unwrap().split('}').next().unwrap();
    assert_eq!(declared.split_whitespace().collect::<BTreeSet<_>>(), handles);
    assert_eq!(numbers.len(), 3);
}

/// Runs a C program that includes the header, and returns what it prints, as names and numbers.
fn c_numbers(title: &str, statements: &str) -> BTreeMap<String, i64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (source, program) = (folder.join(format!("{title}.c")), folder.join(title));
    let text = format!(
        "#include <nnkit.h>\n#include <stddef.h>\n#include <stdio.h>\n\
         #define SHOW(name, value) printf(\"%s %lld\\n\", name, (long long)(value))\n\
         struct alignment {{ char c; nnk_tensor t; }};\nint main(void) {{\n{statements}\nreturn 0; }}\n"
    );
    std::fs::write(&source, text).unwrap();
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(compiler)
        .args(["-std=c99", "-Wall", "-Werror", "-I"])
        .arg(root.join("include"))
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .status()
        .expect("a C compiler");
    assert!(status.success(), "{} does not compile", source.display());
    let output = Command::new(&program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, value)| (name.to_string(), value.parse().unwrap()))
        .collect()
}

/// The names of a struct's fields in the header, in order.
fn header_fields(name: &str) -> Vec<String> {
    let text = one_line(&without_comments(HEADER));
    let body = text.split(&format!("typedef struct {name} {{")).nth(1).unwrap();
    let body = body.split(&format!("}} {name};")).next().unwrap();
    let mut fields = Vec::new();
    let mut depth = 0;
    for declaration in body.replace('{', "{;").split(';').map(str::trim).filter(|text| !text.is_empty()) {
        if declaration.ends_with('{') {
            depth += 1;
            continue;
        }
        if declaration.starts_with('}') {
            depth -= 1;
        }
        if depth == 0 {
            let start = declaration.rfind(|c: char| !c.is_alphanumeric() && c != '_').unwrap() + 1;
            fields.push(declaration[start..].to_string());
        }
    }
    fields
}

fn bytes_behind<T>(_: *const T) -> usize {
    size_of::<T>()
}

/// Every field's offset and size, and the type's size and alignment.
macro_rules! layout {
    ($type:ident: $($field:ident $(. $inner:ident)?),*) => {{
        let memory = MaybeUninit::<$type>::uninit();
        let base = memory.as_ptr();
        let mut numbers = BTreeMap::new();
        $(
            // Safety: only addresses are computed; nothing is read.
            let address = unsafe { std::ptr::addr_of!((*base).$field$(.$inner)?) };
            let name = concat!(stringify!($field) $(, ".", stringify!($inner))?);
            numbers.insert(format!("offset {name}"), address as i64 - base as i64);
            numbers.insert(format!("bytes {name}"), bytes_behind(address) as i64);
        )*
        numbers.insert("bytes".to_string(), size_of::<$type>() as i64);
        (stringify!($type), numbers)
    }};
}

#[test]
fn structs_have_the_layout_that_the_c_compiler_gives_them() {
    let tensor = layout! {
        nnk_tensor: data, device, device.device_type, device.device_id, ndim, dtype, dtype.code, dtype.bits,
        dtype.lanes, shape, strides, byte_offset
    };
    let progress = layout! {
        nnk_progress: struct_bytes, event, epoch, epochs, step, steps, loss, metric, train_metric, validation_loss,
        seconds
    };
    let layouts = [tensor, progress];
    let text = one_line(&without_comments(HEADER));
    let structs = text.split("typedef struct ").skip(1).filter(|piece| piece.split(' ').nth(1) == Some("{")).count();
    assert_eq!(structs, layouts.len(), "a struct of the header has no declaration here");
    for (name, rust) in layouts {
        let fields = rust.keys().filter_map(|key| key.strip_prefix("offset "));
        let statements: String = fields
            .map(|field| {
                format!(
                    "SHOW(\"offset:{field}\", offsetof({name}, {field}));\n\
                     SHOW(\"bytes:{field}\", sizeof((({name} *)0)->{field}));\n"
                )
            })
            .chain([format!("SHOW(\"bytes\", sizeof({name}));\n")])
            .collect();
        let c: BTreeMap<_, _> =
            c_numbers(name, &statements).into_iter().map(|(key, value)| (key.replace(':', " "), value)).collect();
        assert_eq!(c, rust, "{name}");
        for field in header_fields(name) {
            assert!(rust.contains_key(&format!("offset {field}")), "{name}.{field} has no declaration here");
        }
    }
    let alignment = c_numbers("alignment", "SHOW(\"tensor\", offsetof(struct alignment, t));");
    assert_eq!(alignment["tensor"], align_of::<nnk_tensor>() as i64);
}

#[test]
fn constants_have_the_values_that_the_c_compiler_gives_them() {
    let mut rust = BTreeMap::new();
    for line in without_comments(CONSTANTS).lines() {
        if let Some(constant) = line.strip_prefix("pub const ") {
            let (name, rest) = constant.split_once(':').unwrap();
            let value = rest.split_once('=').unwrap().1.trim().trim_end_matches(';');
            rust.insert(name.to_string(), value.parse::<i64>().unwrap());
        }
    }
    let names: BTreeSet<&str> = HEADER
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("NNK_") && !word.ends_with('_') && *word != "NNK_API")
        .collect();
    let statements: String = names.iter().map(|name| format!("SHOW(\"{name}\", {name});\n")).collect();
    assert_eq!(c_numbers("constants", &statements), rust);
    assert!(rust.len() >= 21);
    // The parsed text is what the compiler has, too.
    assert_eq!(rust["NNK_ABI_VERSION"], i64::from(NNK_ABI_VERSION));
    assert_eq!(rust["NNK_ERROR_INTERNAL"], i64::from(NNK_ERROR_INTERNAL));
    assert_eq!(rust["NNK_EVENT_EPOCH"], i64::from(NNK_EVENT_EPOCH));
}

#[test]
fn the_library_answers() {
    // Safety: these functions take no pointers.
    unsafe {
        assert!(nnk_abi_version() >= NNK_ABI_VERSION);
        let name = std::ffi::CStr::from_ptr(nnk_status_name(NNK_ERROR_SHAPE));
        assert_eq!(name.to_str(), Ok("NNK_ERROR_SHAPE"));
        let graph = nnk_graph_create();
        assert!(!graph.is_null());
        nnk_graph_destroy(graph);
        nnk_graph_destroy(std::ptr::null_mut());
    }
}
