//! Paths, files and states that are no models.

use super::*;
use crate::common::{cnn, images, lstm, TemporaryFile, TRAINING};
use nnkit::{Model, Trainer};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

const PATH: &[ErrorKind] = &[Io, InvalidArgument, Format];
const BYTES: &[ErrorKind] = &[Format, Shape, InvalidArgument, Unsupported];

/// Bytes that are spoiled in one way.
fn spoiled(cases: &mut Cases, title: &str, spoil: impl Fn(&mut Vec<u8>) + Clone + 'static) {
    let model_bytes = spoil.clone();
    cases.add(format!("model bytes: {title}"), BYTES, "", move || {
        let mut bytes = cnn().to_bytes()?;
        model_bytes(&mut bytes);
        Model::read(&bytes).map(drop)
    });
    cases.add(format!("trainer state: {title}"), BYTES, "", move || {
        let (x, labels) = images(3);
        let model = cnn();
        let trainer = Trainer::new(&model, TRAINING)?;
        trainer.step(&x, &labels)?;
        let before = trainer.state()?;
        let mut bytes = before.clone();
        spoil(&mut bytes);
        let result = trainer.read_state(&bytes);
        assert_eq!(trainer.state()?, before, "a failed read changed the trainer");
        result
    });
}

pub fn add(cases: &mut Cases) {
    let long = vec![b'p'; 10_000_000];
    let paths: &[&'static [u8]] = &[b"", b"not/there", b"/", b"/dev/null", b"/dev/full", b"a\0b", b"/\xff\xfe"];
    for path in paths {
        let title = String::from_utf8_lossy(path).into_owned();
        cases.add(format!("load {title:?}"), PATH, "", move || Model::load(OsStr::from_bytes(path)).map(drop));
    }
    for path in [&b""[..], b"not/there/model.nnkit", b"/", b"/dev/null", b"/dev/full", b"a\0b"] {
        let title = String::from_utf8_lossy(path).into_owned();
        cases.add(format!("save {title:?}"), PATH, "", move || cnn().save(OsStr::from_bytes(path)));
    }
    cases.add("load a path of 10 MB", PATH, "", move || Model::load(OsStr::from_bytes(&long)).map(drop));
    cases.add("load an empty file", &[Format], "", || {
        let file = TemporaryFile::new("empty.nnkit");
        std::fs::write(&file.0, b"").unwrap();
        Model::load(&file.0).map(drop)
    });

    spoiled(cases, "none", |bytes| bytes.clear());
    spoiled(cases, "seven of them", |bytes| bytes.truncate(7));
    spoiled(cases, "half", |bytes| bytes.truncate(bytes.len() / 2));
    spoiled(cases, "one too few", |bytes| bytes.truncate(bytes.len() - 1));
    spoiled(cases, "one too many", |bytes| bytes.push(0));
    spoiled(cases, "zeros", |bytes| bytes.fill(0));
    spoiled(cases, "ones", |bytes| bytes.fill(255));
    spoiled(cases, "a header of 2^63 bytes", |bytes| bytes[7] = 128);
    spoiled(cases, "a header that is not UTF-8", |bytes| bytes[20] = 255);
    spoiled(cases, "a flipped bit in the last parameter", |bytes| *bytes.last_mut().unwrap() ^= 64);
    spoiled(cases, "two models", |bytes| bytes.extend(bytes.clone()));

    cases.add("the state of another model", &[InvalidArgument], "", || {
        let other = Trainer::new(&lstm(), TRAINING)?.state()?;
        Trainer::new(&cnn(), TRAINING)?.read_state(&other)
    });
    cases.add("the state of another optimizer", &[InvalidArgument], "", || {
        let state = Trainer::new(&cnn(), TRAINING)?.state()?;
        Trainer::new(&cnn(), "loss=softmax_cross_entropy optimizer=sgd")?.read_state(&state)
    });
    cases.add("a model where a state belongs", &[Format, InvalidArgument], "", || {
        let model = cnn();
        Trainer::new(&model, TRAINING)?.read_state(&model.to_bytes()?)
    });
    cases.add("a state where a model belongs", &[], "", || {
        Model::read(&Trainer::new(&cnn(), TRAINING)?.state()?).map(drop)
    });
}
