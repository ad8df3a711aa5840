//! Every form that `Views`, `ViewsMut` and `StreamSet` say they take.
#![allow(unknown_lints, clippy::useless_vec, clippy::needless_borrows_for_generic_args)] // those are forms, too

mod common;

use common::*;
use nnkit::{AnyTensor, DType, Dataset, Graph, Model, Session, Stream, StreamSet, Tensor, TensorView, TensorViewMut};
use nnkit::{Trainer, Views, ViewsMut};

/// Two inputs `[2]`, their sum and its double, so that every form has two tensors.
fn sums() -> Model {
    let mut g = Graph::new();
    let (a, b) = (g.input("a", DType::F32, &[2]), g.input("b", DType::F32, &[2]));
    let sum = g.add("add", "", [a, b]);
    let double = g.add("add", "", [sum, sum]);
    g.output("sum", sum);
    g.output("double", double);
    g.build("").unwrap()
}

#[test]
fn tensors_to_read_come_in_every_form() {
    let mut session = Session::new(&sums(), "").unwrap();
    let (a, b) = (Tensor::new(&[1, 2], vec![1.0_f32, 2.0]).unwrap(), Tensor::new(&[1, 2], vec![10.0, 20.0]).unwrap());
    fn check<'a>(session: &mut Session, inputs: impl Views<'a>) {
        let mut outputs = [Tensor::<f32>::zeros(&[1, 2]).unwrap(), Tensor::<f32>::zeros(&[1, 2]).unwrap()];
        session.run(inputs, &mut outputs).unwrap();
        assert_eq!(outputs[0].as_slice(), [11.0, 22.0]);
        assert_eq!(outputs[1].as_slice(), [22.0, 44.0]);
    }
    check(&mut session, [&a, &b]);
    check(&mut session, vec![&a, &b]);
    check(&mut session, &[&a, &b]);
    check(&mut session, &[&a, &b][..]);
    check(&mut session, &vec![&a, &b]);
    check(&mut session, [a.view(), b.view()]);
    check(&mut session, vec![a.view(), b.view()]);
    check(&mut session, &[a.view(), b.view()]);
    check(&mut session, &[a.view(), b.view()][..]);
    check(&mut session, &vec![a.view(), b.view()]);
    check(&mut session, (&a, b.view()));
    let any = [AnyTensor::from(a.clone()), AnyTensor::from(b.clone())];
    check(&mut session, &any);
    check(&mut session, &[&any[0], &any[1]]);
    check(&mut session, [&any[0], &any[1]]);
    let own = vec![a.clone(), b.clone()];
    check(&mut session, &own);
    check(&mut session, &own[..]);
    check(&mut session, &[a, b]);

    let one = line([1.0, 2.0], 3.0);
    let mut session = Session::new(&one, "").unwrap();
    let (x, mut y) = (Tensor::new(&[1, 2], vec![1.0_f32, 2.0]).unwrap(), Tensor::<f32>::zeros(&[1, 1]).unwrap());
    session.run(&x, &mut y).unwrap();
    session.run(x.view(), y.view_mut()).unwrap();
    session.run(&AnyTensor::from(x), &mut y).unwrap();
    assert_eq!(y.as_slice(), [8.0]);
}

#[test]
fn tensors_to_write_come_in_every_form() {
    let mut session = Session::new(&sums(), "").unwrap();
    let x = Tensor::new(&[1, 2], vec![1.0_f32, 2.0]).unwrap();
    let mut run = |outputs: &mut dyn FnMut(&mut Session, [&Tensor<f32>; 2])| outputs(&mut session, [&x, &x]);
    let zero = || Tensor::<f32>::zeros(&[1, 2]).unwrap();
    let (mut a, mut b): (Tensor<f32>, Tensor<f32>);
    macro_rules! check {
        ($($outputs:expr),+ $(,)?) => {$(
            (a, b) = (zero(), zero());
            run(&mut |session, x| session.run(x, $outputs).unwrap());
            assert_eq!((a.as_slice(), b.as_slice()), (&[2.0, 4.0][..], &[4.0, 8.0][..]), stringify!($outputs));
        )+};
    }
    check!(
        [&mut a, &mut b],
        vec![&mut a, &mut b],
        &mut [&mut a, &mut b],
        &mut [&mut a, &mut b][..],
        &mut vec![&mut a, &mut b],
        [a.view_mut(), b.view_mut()],
        vec![a.view_mut(), b.view_mut()],
        &mut [a.view_mut(), b.view_mut()],
        &mut [a.view_mut(), b.view_mut()][..],
        &mut vec![a.view_mut(), b.view_mut()],
        (&mut a, b.view_mut()),
    );
    fn own<'a>(session: &mut Session, x: &Tensor<f32>, outputs: impl ViewsMut<'a>) {
        session.run([x, x], outputs).unwrap();
    }
    let mut session = Session::new(&sums(), "").unwrap();
    let mut tensors = vec![zero(), zero()];
    own(&mut session, &x, &mut tensors);
    assert_eq!(tensors[1].as_slice(), [4.0, 8.0]);
    own(&mut session, &x, &mut tensors[..]);
    let mut tensors = [zero(), zero()];
    own(&mut session, &x, &mut tensors);
    assert_eq!(tensors[1].as_slice(), [4.0, 8.0]);
    // Views may be given again and again, for less than they live.
    let mut views: Vec<TensorViewMut<'_>> = tensors.iter_mut().map(Tensor::view_mut).collect();
    own(&mut session, &x, &mut views);
    own(&mut session, &x, &mut views[..]);
    let inputs: Vec<TensorView<'_>> = vec![x.view(), x.view()];
    session.run(&inputs, &mut views).unwrap();
    session.run(&inputs[..], &mut views).unwrap();
}

#[test]
fn streams_come_in_every_form() {
    let model = lstm();
    let mut session = Session::new(&model, "max_batch=2").unwrap();
    let (tokens, ones) = (Tensor::from(vec![1, 2]), Tensor::from(vec![1, 1]));
    let mut steps = 0;
    let mut expected = None;
    let mut check = |session: &mut Session, streams: &mut dyn FnMut(&mut Session, &mut Tensor<f32>)| {
        let mut logits = Tensor::<f32>::zeros(&[2, CLASSES]).unwrap();
        streams(session, &mut logits);
        steps += 1;
        // The first step of two new streams, whatever holds them.
        assert_eq!(expected.get_or_insert_with(|| logits.clone()).as_slice(), logits.as_slice(), "form {steps}");
    };
    fn step(session: &mut Session, streams: impl StreamSet, x: [&Tensor<i32>; 2], logits: &mut Tensor<f32>) {
        session.step(streams, x, logits).unwrap();
    }
    let new = || Stream::new(&model).unwrap();
    macro_rules! forms {
        ($($a:ident, $b:ident: $streams:expr),+ $(,)?) => {$(
            check(&mut session, &mut |session, logits| {
                let (mut $a, mut $b) = (new(), new());
                step(session, $streams, [&tokens, &ones], logits);
                assert!($a.reset().is_ok() && $b.reset().is_ok());
            });
        )+};
    }
    forms!(
        a, b: [&mut a, &mut b],
        a, b: vec![&mut a, &mut b],
        a, b: &mut [&mut a, &mut b],
        a, b: &mut [&mut a, &mut b][..],
        a, b: &mut vec![&mut a, &mut b],
    );
    check(&mut session, &mut |session, logits| step(session, &mut [new(), new()], [&tokens, &ones], logits));
    check(&mut session, &mut |session, logits| step(session, &mut [new(), new()][..], [&tokens, &ones], logits));
    check(&mut session, &mut |session, logits| step(session, &mut vec![new(), new()], [&tokens, &ones], logits));
}

#[test]
fn a_dataset_needs_the_arrays_and_not_what_listed_them() {
    let (x, labels) = images(6);
    let datasets = [
        Dataset::from_arrays(&[&x], &[&labels]),
        Dataset::from_arrays(&vec![x.view()], vec![&labels]),
        Dataset::from_arrays(&[x.view()][..], &vec![&labels]),
        Dataset::from_arrays([x.view()], (&labels,)),
    ];
    let (model, mut losses) = (cnn(), Vec::new());
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    for dataset in datasets {
        losses.push(trainer.evaluate(&dataset.unwrap(), "").unwrap().loss);
    }
    assert!(losses.iter().all(|loss| *loss == losses[0]));
}
