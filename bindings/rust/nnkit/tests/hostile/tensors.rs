//! Batches that do not fit, labels and indices out of range, and numbers that are not finite.

use super::*;
use crate::common::{cnn, fit, images, line, lstm, sentences, CLASSES, IMAGE, STEPS, TRAINING};
use nnkit::{AnyTensor, Dataset, Session, Stream, Tensor, TensorView, Trainer};

const FIT: &[ErrorKind] = &[Shape, InvalidArgument];

/// Gives images of a shape and labels of a shape to a step, a dataset and a run.
fn shapes(cases: &mut Cases) {
    let rows: &[(&'static [usize], &'static [usize], &'static [ErrorKind])] = &[
        (&[0, IMAGE, IMAGE, 2], &[0], FIT),
        (&[2, IMAGE, IMAGE, 2], &[3], FIT),
        (&[2, IMAGE, IMAGE, 3], &[2], FIT),
        (&[2, IMAGE, IMAGE + 1, 2], &[2], FIT),
        (&[2, IMAGE, IMAGE], &[2], FIT),
        (&[2, 1, IMAGE, IMAGE, 2], &[2], FIT),
        (&[IMAGE, IMAGE, 2], &[1], FIT),
        (&[], &[], FIT),
        (&[2, 0, IMAGE, 2], &[2], FIT),
        (&[2, IMAGE, IMAGE, 2], &[2, 1, 1], FIT),
        (&[2, IMAGE, IMAGE, 2], &[2, 3], FIT),
    ];
    for (images, labels, kinds) in rows {
        let tensors = move || Ok((Tensor::<f32>::zeros(images)?, Tensor::<i32>::zeros(labels)?));
        cases.add(format!("step on {images:?}, {labels:?}"), kinds, "", move || {
            let (x, y) = tensors()?;
            Trainer::new(&cnn(), TRAINING)?.step(&x, &y).map(drop)
        });
        cases.add(format!("fit on {images:?}, {labels:?}"), kinds, "", move || {
            let (x, y) = tensors()?;
            let dataset = Dataset::from_arrays(&x, &y)?;
            fit(&Trainer::new(&cnn(), TRAINING)?, &dataset, "")
        });
    }
    let outputs: &[&'static [usize]] = &[&[], &[2], &[3, CLASSES], &[2, CLASSES + 1], &[2, 1, CLASSES], &[0, CLASSES]];
    for shape in outputs {
        cases.add(format!("run into {shape:?}"), FIT, "", move || {
            let (x, mut y) = (images(2).0, Tensor::<f32>::zeros(shape)?);
            Session::new(&cnn(), "max_batch=2")?.run(&x, &mut y)
        });
    }
    cases.add("run with more samples than max_batch", FIT, "max_batch", || {
        let (x, mut y) = (images(3).0, Tensor::<f32>::zeros(&[3, CLASSES])?);
        Session::new(&cnn(), "max_batch=2")?.run(&x, &mut y)
    });
    cases.add("run into integers", &[Type], "", || {
        let (x, mut y) = (images(2).0, Tensor::<i32>::zeros(&[2, CLASSES])?);
        Session::new(&cnn(), "max_batch=2")?.run(&x, &mut y)
    });
    cases.add("run without an output", FIT, "", || {
        let none: &mut [nnkit::TensorViewMut<'_>] = &mut [];
        Session::new(&cnn(), "max_batch=2")?.run(&images(2).0, none)
    });
    cases.add("run with ten thousand inputs", FIT, "", || {
        let (x, mut y) = (images(2).0, Tensor::<f32>::zeros(&[2, CLASSES])?);
        Session::new(&cnn(), "max_batch=2")?.run(vec![x.view(); 10_000], &mut y)
    });
    cases.add("a dataset without inputs", FIT, "", || Dataset::from_arrays((), &images(2).1).map(drop));
    cases.add("a dataset whose first axes differ", &[Shape], "", || {
        Dataset::from_owned(images(3).0, images(2).1).map(drop)
    });
    cases.add("a dataset of scalars", FIT, "", || {
        let scalar = [1.0_f32];
        Dataset::from_arrays(TensorView::new(&scalar, &[])?, ()).map(drop)
    });
    cases.add("a dataset of 4097 inputs", FIT, "", || {
        let many: Vec<AnyTensor> = vec![Tensor::from(vec![1.0_f32]).into(); 4097];
        let dataset = Dataset::from_owned(many, ())?;
        fit(&Trainer::new(&cnn(), TRAINING)?, &dataset, "")
    });
    cases.add("fit without targets", FIT, "", || {
        fit(&Trainer::new(&cnn(), TRAINING)?, &Dataset::from_owned(images(3).0, ())?, "")
    });
    cases.add("evaluate without samples", FIT, "", || {
        let (x, y) = (Tensor::<f32>::zeros(&[0, IMAGE, IMAGE, 2])?, Tensor::<i32>::zeros(&[0])?);
        let dataset = Dataset::from_arrays(&x, &y)?;
        Trainer::new(&cnn(), TRAINING)?.evaluate(&dataset, "").map(drop)
    });
    cases.add("a billion samples that are one, and labels that are not there", FIT, "", || {
        let (x, y) = images(1);
        let x = TensorView::strided(x.as_slice(), &[1 << 30, IMAGE, IMAGE, 2], &[0, 2 * IMAGE, 2, 1])?;
        let dataset = Dataset::from_arrays(x, &y)?;
        fit(&Trainer::new(&cnn(), TRAINING)?, &dataset, "")
    });
    cases.add("strides that are larger than the sample", &[], "", || {
        let (x, mut y) = (vec![0.5_f32; 1_000_000], Tensor::<f32>::zeros(&[2, CLASSES])?);
        let x = TensorView::strided(&x, &[2, IMAGE, IMAGE, 2], &[400_000, 40_000, 2_000, 1_000])?;
        Session::new(&cnn(), "max_batch=2")?.run(x, &mut y)
    });
}

/// Labels, tokens, lengths and numbers.
fn values(cases: &mut Cases) {
    for label in [-1, CLASSES as i32, i32::MAX, i32::MIN] {
        cases.add(format!("label {label} in a step"), FIT, "", move || {
            let (x, mut y) = images(3);
            y.as_mut_slice()[1] = label;
            Trainer::new(&cnn(), TRAINING)?.step(&x, &y).map(drop)
        });
        cases.add(format!("label {label} in validation samples"), FIT, "", move || {
            let (x, y) = images(3);
            let mut bad = y.clone();
            bad.as_mut_slice()[1] = label;
            let model = cnn();
            let mut trainer = Trainer::new(&model, TRAINING)?;
            trainer.set_validation(Some(&Dataset::from_owned(x.clone(), bad)?))?;
            let dataset = Dataset::from_arrays(&x, &y)?;
            fit(&trainer, &dataset, "")
        });
    }
    for label in [i64::MAX, i64::MIN, 1 << 32] {
        cases.add(format!("label {label} of 64 bits"), FIT, "", move || {
            let x = images(1).0;
            Trainer::new(&cnn(), TRAINING)?.step(&x, &Tensor::from(vec![label])).map(drop)
        });
    }
    cases.add("labels that are floating point", &[Type], "", || {
        let x = images(1).0;
        Trainer::new(&cnn(), TRAINING)?.step(&x, &Tensor::from(vec![1.0_f32])).map(drop)
    });
    for token in [-1, 11, i32::MIN, i32::MAX] {
        cases.add(format!("token {token} in a run"), FIT, "", move || {
            let (mut tokens, lengths, _) = sentences(2);
            tokens.as_mut_slice()[0] = token;
            Session::new(&lstm(), "max_batch=2")?.run((&tokens, &lengths), &mut Tensor::<f32>::zeros(&[2, CLASSES])?)
        });
    }
    for length in [0, -1, STEPS as i32 + 1, i32::MAX] {
        cases.add(format!("length {length} in a run"), FIT, "", move || {
            let (tokens, mut lengths, _) = sentences(2);
            lengths.as_mut_slice()[1] = length;
            Session::new(&lstm(), "max_batch=2")?.run((&tokens, &lengths), &mut Tensor::<f32>::zeros(&[2, CLASSES])?)
        });
    }
    cases.add("inputs in the wrong order", &[Shape, Type, InvalidArgument], "", || {
        let (tokens, lengths, _) = sentences(2);
        Session::new(&lstm(), "max_batch=2")?.run((&lengths, &tokens), &mut Tensor::<f32>::zeros(&[2, CLASSES])?)
    });
    for (name, value) in [("nan", f32::NAN), ("inf", f32::INFINITY), ("3e38", 3e38)] {
        cases.add(format!("{name} in a step"), &[Numeric], "", move || {
            let x = [value, 1.0];
            let target = [1.0_f32];
            Trainer::new(&line([1.0, 1.0], 0.0), "loss=mean_squared_error")?
                .step(TensorView::new(&x, &[1, 2])?, TensorView::new(&target, &[1, 1])?)
                .map(drop)
        });
        cases.add(format!("{name} in a run"), &[], "", move || {
            let (x, mut y) = (Tensor::new(&[1, 2], vec![value, 1.0])?, Tensor::<f32>::zeros(&[1, 1])?);
            Session::new(&line([1.0, 1.0], 0.0), "")?.run(&x, &mut y)
        });
    }
    cases.add("gradients that were made not a number", &[Numeric], "", || {
        let (x, y) = images(3);
        let model = cnn();
        let mut trainer = Trainer::new(&model, TRAINING)?;
        trainer.gradients(&x, &y)?;
        trainer.gradients_view()?.fill(f32::NAN);
        trainer.apply()
    });
    cases.add("parameters that were made not a number", &[Numeric], "", || {
        let (x, y) = images(3);
        let model = cnn();
        model.parameters_mut()?.fill(f32::NAN);
        Trainer::new(&model, TRAINING)?.step(&x, &y).map(drop)
    });
}

fn streams(cases: &mut Cases) {
    cases.add("a stream of a model without memory", &[Unsupported], "recurrent", || Stream::new(&cnn()).map(drop));
    for n in [0, 1, 3, 9] {
        cases.add(format!("{n} streams in a step of 2"), FIT, "", move || {
            let model = lstm();
            let mut streams: Vec<Stream> = (0..n).map(|_| Stream::new(&model)).collect::<Result<_>>()?;
            let (tokens, ones) = (Tensor::from(vec![1, 2]), Tensor::from(vec![1, 1]));
            let mut out = Tensor::<f32>::zeros(&[2, CLASSES])?;
            Session::new(&model, "max_batch=4")?.step(&mut streams, (&tokens, &ones), &mut out)
        });
    }
    cases.add("a stream of another model", &[InvalidArgument], "", || {
        let (a, b) = (lstm(), lstm());
        let (token, one) = (Tensor::from(vec![1]), Tensor::from(vec![1]));
        let mut out = Tensor::<f32>::zeros(&[1, CLASSES])?;
        Session::new(&a, "")?.step(&mut Stream::new(&b)?, (&token, &one), &mut out)
    });
    cases.add("a sequence where a step belongs", FIT, "", || {
        let model = lstm();
        let (tokens, lengths, _) = sentences(1);
        let mut out = Tensor::<f32>::zeros(&[1, CLASSES])?;
        Session::new(&model, "")?.step(&mut Stream::new(&model)?, (&tokens, &lengths), &mut out)
    });
}

/// A forward pass, and a backward pass from gradients of a shape and value.
fn by_hand(cases: &mut Cases) {
    let rows: &[(&'static [usize], f32, &'static [ErrorKind])] = &[
        (&[2, CLASSES], 1.0, &[]),
        (&[2, CLASSES], f32::NAN, &[Numeric]),
        (&[2, CLASSES], f32::INFINITY, &[Numeric]),
        (&[2, CLASSES], 3e38, &[Numeric]),
        (&[], 1.0, FIT),
        (&[0, CLASSES], 1.0, FIT),
        (&[3, CLASSES], 1.0, FIT),
        (&[2, CLASSES, 1], 1.0, FIT),
    ];
    for (shape, value, kinds) in rows {
        cases.add(format!("gradients by hand, {shape:?} of {value}"), kinds, "", move || {
            let trainer = Trainer::new(&cnn(), "loss=none")?;
            trainer.forward(&images(2).0, &mut Tensor::<f32>::zeros(&[2, CLASSES])?)?;
            let mut gradients = Tensor::<f32>::zeros(shape)?;
            gradients.as_mut_slice().fill(*value);
            trainer.backward(&gradients, ())?;
            trainer.apply()
        });
    }
    cases.add("gradients by hand that are integers", &[Type], "", || {
        let trainer = Trainer::new(&cnn(), "loss=none")?;
        trainer.forward(&images(2).0, &mut Tensor::<f32>::zeros(&[2, CLASSES])?)?;
        trainer.backward(&Tensor::<i32>::zeros(&[2, CLASSES])?, ())
    });
    cases.add("backward without forward", &[InvalidArgument], "forward", || {
        Trainer::new(&cnn(), "loss=none")?.backward(&Tensor::<f32>::zeros(&[2, CLASSES])?, ())
    });
    cases.add("a step of a trainer without a loss", &[InvalidArgument], "loss", || {
        let (x, y) = images(2);
        Trainer::new(&cnn(), "loss=none")?.step(&x, &y).map(drop)
    });
    cases.add("an absent input of a run", &[InvalidArgument], "", || {
        let mut out = Tensor::<f32>::zeros(&[2, CLASSES])?;
        Session::new(&cnn(), "max_batch=2")?.run(TensorView::absent(), &mut out)
    });
    for pattern in ["nothing", "", "*a*b*c*d*e*f*", "conv2d/kernel\n"] {
        cases.add(format!("freeze {pattern:?}"), &[InvalidArgument], "", move || {
            Trainer::new(&cnn(), TRAINING)?.freeze(pattern).map(drop)
        });
    }
    cases.add("freeze a pattern of 10 MB", &[InvalidArgument], "", || {
        Trainer::new(&cnn(), TRAINING)?.freeze(&"*a".repeat(5_000_000)).map(drop)
    });
}

pub fn add(cases: &mut Cases) {
    by_hand(cases);
    shapes(cases);
    values(cases);
    streams(cases);
}
