//! What the crate makes reachable.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names that begin with `nnk_` in a text, where `before` stands in front of them.
fn names(text: &str, before: &str) -> BTreeSet<String> {
    text.split(before)
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(""))
        .filter(|name| name.starts_with("nnk_"))
        .map(str::to_string)
        .collect()
}

#[test]
fn every_function_of_the_header_is_called_by_the_safe_crate() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
    let declared = fs::read_to_string(crates.join("../nnkit-sys/src/functions.rs")).unwrap();
    let declared = names(&declared, "fn ");
    let mut called = BTreeSet::new();
    for entry in fs::read_dir(crates.join("src")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        called.extend(names(&text, "sys::").into_iter().filter(|name| declared.contains(name)));
    }
    let missing: Vec<_> = declared.difference(&called).collect();
    assert!(missing.is_empty(), "safe Rust cannot reach {missing:?}");
    assert!(declared.len() >= 49);
}
