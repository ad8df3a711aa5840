//! Closures that stop, change settings, save and panic.

mod common;

use common::*;
use nnkit::{Dataset, Event, Model, Tensor, Trainer};
use std::io;
use std::panic::{catch_unwind, panic_any, AssertUnwindSafe};

#[test]
fn a_fit_reports_epochs_and_steps() {
    let (x, labels) = images(30);
    let dataset = Dataset::from_arrays(&x, &labels).unwrap();
    let model = cnn();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    let mut reports = Vec::new();
    trainer
        .fit(&dataset, "epochs=2 batch_size=8 validation_split=0.2 report=step", |p| {
            reports.push(*p);
            true
        })
        .unwrap();
    assert_eq!(reports.len(), 8);
    for (i, report) in reports.iter().enumerate() {
        let last = i % 4 == 3;
        assert_eq!(report.event, if last { Event::Epoch } else { Event::Step });
        assert_eq!((report.epoch as usize, report.epochs, report.steps), (1 + i / 4, 2, 3));
        assert_eq!(report.step as usize, if last { 3 } else { 1 + i % 4 });
        assert_eq!(report.validation_loss.is_some(), last);
        assert!(report.loss > 0.0 && report.train_metric.is_some() && report.seconds >= 0.0);
    }
    let text = reports[3].to_string();
    assert!(text.starts_with("epoch 1/2  loss 1.") && text.contains("validation loss"), "{text}");
    assert!(reports[4].to_string().starts_with("epoch 2/2  step 1/3  loss"), "{}", reports[4]);
}

#[test]
fn a_callback_stops_within_an_epoch() {
    let (x, labels) = images(30);
    let model = cnn();
    let mut calls = 0;
    Trainer::new(&model, TRAINING)
        .unwrap()
        .fit(&Dataset::from_arrays(&x, &labels).unwrap(), "epochs=9 batch_size=5 report=step", |_| {
            calls += 1;
            calls < 4
        })
        .unwrap();
    assert_eq!(calls, 4);
}

#[test]
fn a_callback_uses_its_trainer_and_other_objects() {
    let (x, labels) = images(12);
    let dataset = Dataset::from_arrays(&x, &labels).unwrap();
    let model = cnn();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    let mut states = Vec::new();
    trainer
        .fit(&dataset, "epochs=2", |p| {
            trainer.set("learning_rate=0.125").unwrap();
            assert_eq!(trainer.get("learning_rate").unwrap(), 0.125);
            states.push(trainer.state().unwrap());
            let copy = Model::read(&model.to_bytes().unwrap()).unwrap();
            assert!(copy.parameters().unwrap().iter().all(|value| value.is_finite()));
            let mut logits = Tensor::<f32>::zeros(&[12, CLASSES]).unwrap();
            nnkit::Session::new(&model, "max_batch=12").unwrap().run(&x, &mut logits).unwrap();
            fit(&Trainer::new(&copy, TRAINING).unwrap(), &dataset, "").unwrap();
            nnkit::shutdown().unwrap();
            p.epoch < 9
        })
        .unwrap();
    let resumed = Model::read(&states[0]).unwrap();
    let trainer = Trainer::new(&resumed, TRAINING).unwrap();
    trainer.read_state(&states[0]).unwrap();
    fit(&trainer, &dataset, "").unwrap();
    assert_eq!(trainer.state().unwrap(), states[1]);
}

#[test]
fn a_panic_in_a_callback_stops_the_fit_and_goes_on_in_rust() {
    let (x, labels) = images(30);
    let dataset = Dataset::from_arrays(&x, &labels).unwrap();
    let model = cnn();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    for after in 1..=3 {
        let mut calls = 0;
        let panic = catch_unwind(AssertUnwindSafe(|| {
            trainer.fit(&dataset, "epochs=2 batch_size=8 report=step", |_| {
                calls += 1;
                if calls == after {
                    panic_any(("stopped", after));
                }
                true
            })
        }))
        .unwrap_err();
        assert_eq!(*panic.downcast::<(&str, i32)>().unwrap(), ("stopped", after));
        assert_eq!(calls, after, "it is not called again");
    }
    // Nothing is in a call any more.
    fit(&trainer, &dataset, "").unwrap();
    model.parameters_mut().unwrap();
}

struct Panicking;

impl io::Write for Panicking {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("no writing")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_panic_in_a_writer_stops_the_writing_and_goes_on_in_rust() {
    let model = cnn();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    for write in
        [&|| model.write(Panicking) as nnkit::Result<()>, &|| trainer.write_state(Panicking)] as [&dyn Fn() -> _; 2]
    {
        let panic = catch_unwind(AssertUnwindSafe(write)).unwrap_err();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "no writing");
    }
    let (x, labels) = images(3);
    trainer.step(&x, &labels).unwrap();
    model.parameters_mut().unwrap();
}

#[test]
fn a_panic_through_two_fits_stops_both() {
    let (x, labels) = images(6);
    let dataset = Dataset::from_arrays(&x, &labels).unwrap();
    let (outer, inner) = (cnn(), cnn());
    let (outer, inner) = (Trainer::new(&outer, TRAINING).unwrap(), Trainer::new(&inner, TRAINING).unwrap());
    let result = catch_unwind(AssertUnwindSafe(|| {
        outer.fit(&dataset, "epochs=5", |_| {
            inner.fit(&dataset, "epochs=5", |_| panic!("inside")).unwrap();
            unreachable!()
        })
    }));
    assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "inside");
    fit(&outer, &dataset, "").unwrap();
    fit(&inner, &dataset, "").unwrap();
}
