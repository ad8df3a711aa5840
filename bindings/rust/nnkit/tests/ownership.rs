//! Who keeps what alive, in every order, and in several threads.

mod common;

use common::*;
use nnkit::{AnyTensor, Dataset, Gradients, Graph, Model, Parameters, ParametersMut, Runtime, Session, Stream, Tensor};
use nnkit::{TensorView, TensorViewMut, Trainer};
use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;

#[test]
fn handles_move_between_threads_and_are_shared() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<Graph>();
    send::<Model>();
    sync::<Model>();
    send::<Runtime>();
    sync::<Runtime>();
    send::<Dataset<'_>>();
    sync::<Dataset<'_>>();
    send::<Trainer<'_>>();
    sync::<Trainer<'_>>();
    send::<Session>();
    sync::<Session>();
    send::<Stream>();
    sync::<Stream>();
    send::<TensorView<'_>>();
    sync::<TensorView<'_>>();
    send::<TensorViewMut<'_>>();
    send::<Parameters<'_>>();
    send::<ParametersMut<'_>>();
    send::<Gradients<'_>>();
    send::<nnkit::Error>();
    sync::<nnkit::Error>();
}

/// Every order of `n` things.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = orders(n - 1);
    shorter
        .iter()
        .flat_map(|order| {
            (0..n).map(move |place| {
                let mut longer = order.clone();
                longer.insert(place, n - 1);
                longer
            })
        })
        .collect()
}

#[test]
fn objects_may_be_dropped_in_every_order() {
    let (tokens, lengths, labels) = sentences(6);
    for order in orders(6) {
        let runtime = Runtime::new("threads=1").unwrap();
        let model = Model::read_on(&runtime, &lstm().to_bytes().unwrap()).unwrap();
        let dataset = Dataset::from_owned((tokens.clone(), lengths.clone()), labels.clone()).unwrap();
        let mut trainer = Trainer::new(&model, TRAINING).unwrap();
        trainer.set_validation(Some(&dataset)).unwrap();
        let mut session = Session::new(&model, "max_batch=6").unwrap();
        let stream = Stream::new(&model).unwrap();
        let mut out = Tensor::<f32>::zeros(&[6, CLASSES]).unwrap();
        session.run((&tokens, &lengths), &mut out).unwrap();
        let mut things: Vec<Option<Box<dyn Any>>> = vec![
            Some(Box::new(runtime)),
            Some(Box::new(model)),
            Some(Box::new(dataset)),
            Some(Box::new(trainer)),
            Some(Box::new(session)),
            Some(Box::new(stream)),
        ];
        for place in order {
            things[place] = None;
            // What is left still works.
            if let Some(trainer) = things[3].as_ref().and_then(|thing| thing.downcast_ref::<Trainer<'static>>()) {
                trainer.step((&tokens, &lengths), &labels).unwrap();
            }
            if let Some(session) = things[4].as_mut().and_then(|thing| thing.downcast_mut::<Session>()) {
                session.run((&tokens, &lengths), &mut out).unwrap();
            }
        }
    }
}

#[test]
fn validation_samples_that_own_their_arrays_may_be_dropped() {
    let (x, labels) = images(12);
    let model = cnn();
    let mut trainer = Trainer::new(&model, TRAINING).unwrap();
    let mut losses = Vec::new();
    for _ in 0..3 {
        let dataset = Dataset::from_owned(x.clone(), labels.clone()).unwrap();
        trainer.set_validation(Some(&dataset)).unwrap();
        drop(dataset);
        // What would lie in their place, if they were gone.
        let noise: Vec<_> = (0..8).map(|_| vec![f32::NAN; x.as_slice().len()]).collect();
        trainer
            .fit(&Dataset::from_arrays(&x, &labels).unwrap(), "", |p| {
                losses.push(p.validation_loss.unwrap());
                true
            })
            .unwrap();
        drop(noise);
    }
    assert!(losses.iter().all(|loss| loss.is_finite()));
    trainer.set_validation(None).unwrap();
    trainer
        .fit(&Dataset::from_arrays(&x, &labels).unwrap(), "", |p| {
            assert!(p.validation_loss.is_none());
            true
        })
        .unwrap();
}

#[test]
fn validation_samples_may_be_borrowed() {
    let (x, labels) = images(12);
    let (xv, yv) = images(6);
    let model = cnn();
    let mut trainer = Trainer::new(&model, TRAINING).unwrap();
    trainer.set_validation(Some(&Dataset::from_arrays(&xv, &yv).unwrap())).unwrap();
    let mut seen = 0;
    trainer
        .fit(&Dataset::from_arrays(&x, &labels).unwrap(), "epochs=2", |p| {
            seen += usize::from(p.validation_loss.is_some());
            true
        })
        .unwrap();
    assert_eq!(seen, 2);
}

#[test]
fn datasets_own_tensors_of_several_types() {
    let (tokens, lengths, labels) = sentences(6);
    let wide = Tensor::from(labels.as_slice().iter().map(|label| i64::from(*label)).collect::<Vec<_>>());
    let inputs: Vec<AnyTensor> = vec![tokens.clone().into(), lengths.clone().into()];
    let trained = |dataset: Dataset<'_>| {
        let model = lstm();
        fit(&Trainer::new(&model, TRAINING).unwrap(), &dataset, "").unwrap();
        model.to_bytes().unwrap()
    };
    let views = inputs.iter().map(AnyTensor::view).collect::<Vec<_>>();
    let borrowed = trained(Dataset::from_arrays(&views, &wide).unwrap());
    assert_eq!(trained(Dataset::from_owned(inputs, wide).unwrap()), borrowed);
    assert_eq!(trained(Dataset::from_owned((tokens, lengths), labels).unwrap()), borrowed);
}

#[test]
fn many_threads_run_one_model_to_the_same_bits() {
    let model = cnn();
    let (x, _) = images(4);
    let mut expected = Tensor::<f32>::zeros(&[4, CLASSES]).unwrap();
    Session::new(&model, "max_batch=4").unwrap().run(&x, &mut expected).unwrap();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut session = Session::new(&model, "max_batch=4").unwrap();
                let mut out = Tensor::<f32>::zeros(&[4, CLASSES]).unwrap();
                for _ in 0..50 {
                    session.run(&x, &mut out).unwrap();
                    assert_eq!(out, expected);
                }
            });
        }
    });
}

#[test]
fn a_model_is_trained_run_saved_and_read_at_once() {
    let model = Arc::new(cnn());
    let (x, labels) = images(24);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sessions: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut session = Session::new(&model, "max_batch=24").unwrap();
                    let mut out = Tensor::<f32>::zeros(&[24, CLASSES]).unwrap();
                    let mut runs = 0;
                    while runs < 5 || !done.load(Ordering::Relaxed) {
                        session.run(&x, &mut out).unwrap();
                        assert!(out.as_slice().iter().all(|logit| logit.is_finite()));
                        runs += 1;
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                Model::read(&model.to_bytes().unwrap()).unwrap();
                // Either nobody trains just now, or it is refused; never a torn read.
                match model.parameters() {
                    Ok(parameters) => assert!(parameters.iter().all(|value| value.is_finite())),
                    Err(error) => assert_eq!(error.kind(), nnkit::ErrorKind::Busy),
                }
            }
        });
        let trainer = Trainer::new(&model, TRAINING).unwrap();
        let mut steps = 0;
        while steps < 60 {
            match trainer.step(&x, &labels) {
                Ok(loss) => {
                    assert!(loss.is_finite());
                    steps += 1;
                }
                // The reader has the parameters.
                Err(error) => assert_eq!(error.kind(), nnkit::ErrorKind::Busy),
            }
        }
        done.store(true, Ordering::Relaxed);
        drop(sessions);
    });
}

#[test]
fn one_trainer_in_two_threads_is_busy_or_fine() {
    let model = cnn();
    let (x, labels) = images(12);
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for step in 0..30 {
                    match trainer.step(&x, &labels) {
                        Ok(loss) => assert!(loss.is_finite()),
                        Err(error) => assert_eq!(error.kind(), nnkit::ErrorKind::Busy),
                    }
                    trainer.set(format!("learning_rate={}", 0.001 * f64::from(step + 1))).unwrap();
                }
            });
        }
    });
    trainer.step(&x, &labels).unwrap();
}

#[test]
fn objects_that_are_made_in_one_thread_end_in_another() {
    let (tokens, lengths, labels) = sentences(6);
    let model = lstm();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    let mut session = Session::new(&model, "max_batch=2").unwrap();
    let mut streams = vec![Stream::new(&model).unwrap(), Stream::new(&model).unwrap()];
    let graph = cnn_graph();
    thread::spawn(move || {
        trainer.step((&tokens, &lengths), &labels).unwrap();
        let (tokens, ones) = (Tensor::from(vec![1, 2]), Tensor::from(vec![1, 1]));
        let mut out = Tensor::<f32>::zeros(&[2, CLASSES]).unwrap();
        session.step(&mut streams, (&tokens, &ones), &mut out).unwrap();
        graph.build("").unwrap();
    })
    .join()
    .unwrap();
    model.to_bytes().unwrap();
}

#[test]
fn a_hundred_scattered_streams_advance_as_one_by_one() {
    let model = lstm();
    let n = 100;
    let mut session = Session::new(&model, "max_batch=128").unwrap();
    let mut streams: Vec<Stream> = (0..n).map(|_| Stream::new(&model).unwrap()).collect();
    let tokens: Vec<i32> = (0..n).map(|i| (i % VOCABULARY) as i32).collect();
    let (tokens, ones) = (Tensor::from(tokens), Tensor::from(vec![1; n]));
    let mut together = Tensor::<f32>::zeros(&[n, CLASSES]).unwrap();
    let mut scattered: Vec<&mut Stream> = streams.iter_mut().rev().collect();
    session.step(&mut scattered[..], (&tokens, &ones), &mut together).unwrap();
    let mut one = Tensor::<f32>::zeros(&[1, CLASSES]).unwrap();
    for i in [0, 63, 64, 99] {
        let mut fresh = Stream::new(&model).unwrap();
        let token = Tensor::from(vec![tokens.as_slice()[i]]);
        session.step(&mut fresh, (&token, &Tensor::from(vec![1])), &mut one).unwrap();
        assert_eq!(one.as_slice(), &together.as_slice()[i * CLASSES..][..CLASSES]);
    }
}
