//! What nobody should pass, passed: every case in a process of its own, which must end in order.
//!
//! A case says which kinds of error may come of it, or that it is fine, and perhaps a word that the message must have.
//! After it a network must still train in the same process. A child that ends by a signal, by a panic, or with another
//! answer fails.

#[path = "../common/mod.rs"]
mod common;

mod files;
mod options;
mod raw;
mod tensors;

use nnkit::{ErrorKind, Result};
use std::process::{Command, ExitCode};

pub use ErrorKind::*;

/// A case: its name, what may come of it (nothing: it must be fine), a word of the message, and what is done.
pub struct Case {
    name: String,
    kinds: &'static [ErrorKind],
    word: &'static str,
    body: Box<dyn Fn() -> Result<()>>,
}

/// All cases, in the order in which they were added.
#[derive(Default)]
pub struct Cases(Vec<Case>);

impl Cases {
    pub fn add(
        &mut self,
        name: impl Into<String>,
        kinds: &'static [ErrorKind],
        word: &'static str,
        body: impl Fn() -> Result<()> + 'static,
    ) {
        self.0.push(Case { name: name.into(), kinds, word, body: Box::new(body) });
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Cases::default();
    options::add(&mut cases);
    tensors::add(&mut cases);
    files::add(&mut cases);
    raw::add(&mut cases);
    cases.0
}

/// Runs a case and says what was wrong with what came of it.
fn run(case: &Case) -> std::result::Result<(), String> {
    match (case.body)() {
        Ok(()) if case.kinds.is_empty() => {}
        Ok(()) => return Err(format!("it succeeded; expected one of {:?}", case.kinds)),
        Err(error) if !case.kinds.contains(&error.kind()) => {
            return Err(format!("{:?}: {error}; expected one of {:?}", error.kind(), case.kinds));
        }
        Err(error) if !error.to_string().contains(case.word) => {
            return Err(format!("the message {error} does not contain {:?}", case.word));
        }
        Err(error) if error.to_string().len() > 2000 => return Err("the message has more than 2000 bytes".to_string()),
        Err(_) => {}
    }
    let (x, labels) = common::images(3);
    let trainer = nnkit::Trainer::new(&common::cnn(), common::TRAINING).map_err(|error| error.to_string())?;
    trainer.step(&x, &labels).map(drop).map_err(|error| format!("nothing works any more: {error}"))
}

const CHILD: &str = "NNKIT_TEST_HOSTILE_CASE";

fn main() -> ExitCode {
    let cases = cases();
    if let Some(place) = std::env::var_os(CHILD) {
        let case = &cases[place.to_string_lossy().parse::<usize>().unwrap()];
        return match run(case) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                eprintln!("{reason}");
                ExitCode::FAILURE
            }
        };
    }
    let program = std::env::current_exe().unwrap();
    let mut failed = 0;
    for (place, case) in cases.iter().enumerate() {
        let output = Command::new(&program).env(CHILD, place.to_string()).output().unwrap();
        if !output.status.success() {
            failed += 1;
            println!("FAIL {}: {}: {}", case.name, output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    println!("hostile: {} cases, {failed} failed", cases.len());
    ExitCode::from(u8::from(failed > 0 || cases.len() < 150))
}
