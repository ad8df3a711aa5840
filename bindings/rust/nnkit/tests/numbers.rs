//! What is computed, against numbers that can be computed by hand or by plain loops in double.

mod common;

use common::*;
use nnkit::layers::{Add, Dense, Dropout, GRU, LSTM};
use nnkit::optimizers::{Adam, SGD};
use nnkit::settings::{EvaluateOptions, FitOptions, SessionOptions, TrainerOptions};
use nnkit::{DType, Dataset, Graph, Loss, Metric, Model, Session, Stream, Tensor, TensorView, Trainer, OPEN};

#[test]
fn a_dense_layer_is_its_formula() {
    let model = line([2.0, -3.0], 0.5);
    let x = Tensor::new(&[2, 2], vec![1.0_f32, 1.0, 10.0, 2.0]).unwrap();
    let mut y = Tensor::<f32>::zeros(&[2, 1]).unwrap();
    Session::new(&model, SessionOptions { max_batch: 2, ..Default::default() }).unwrap().run(&x, &mut y).unwrap();
    assert_eq!(y.as_slice(), [-0.5, 14.5]);
}

#[test]
fn gradients_and_a_step_of_sgd_are_their_formulas() {
    let model = line([1.0, 1.0], 0.0);
    let mut trainer = Trainer::new(&model, "loss=mean_squared_error optimizer=sgd learning_rate=0.5").unwrap();
    let x = TensorView::new(&[1.0_f32, 2.0], &[1, 2]).unwrap();
    let target = TensorView::new(&[2.0_f32], &[1, 1]).unwrap();
    // y = 3, loss (3 - 2)^2, dy = 2.
    assert_eq!(trainer.gradients(x, target).unwrap(), 1.0);
    let mut gradients = trainer.gradients_view().unwrap();
    assert_eq!(gradients.get("dense/kernel").unwrap(), [2.0, 4.0]);
    assert_eq!(gradients.get("dense/bias").unwrap(), [2.0]);
    gradients.get_mut("dense/bias").unwrap()[0] = 8.0;
    trainer.apply().unwrap();
    let parameters = model.parameters().unwrap();
    assert_eq!(parameters.get("dense/kernel").unwrap(), [0.0, -1.0]);
    assert_eq!(parameters.get("dense/bias").unwrap(), [-4.0], "the changed gradient counts");
    drop(parameters);
    // y = -6, loss 64: a whole step.
    assert_eq!(trainer.step(x, target).unwrap(), 64.0);
    assert_eq!(model.parameters().unwrap().get("dense/bias").unwrap(), [4.0]);
}

#[test]
fn a_step_of_adam_is_its_formula() {
    let model = line([1.0, 1.0], 0.0);
    let adam = Adam { learning_rate: 0.1, beta1: 0.8, beta2: 0.9, epsilon: 1e-3, weight_decay: 0.0 };
    let trainer =
        Trainer::new(&model, TrainerOptions { optimizer: adam.into(), ..TrainerOptions::new(Loss::MeanSquaredError) })
            .unwrap();
    let x = TensorView::new(&[1.0_f32, 2.0], &[1, 2]).unwrap();
    let target = TensorView::new(&[2.0_f32], &[1, 1]).unwrap();
    let (mut w, mut m, mut v) = ([1.0_f64, 1.0, 0.0], [0.0; 3], [0.0; 3]);
    for step in 1..=5 {
        trainer.step(x, target).unwrap();
        let dy = 2.0 * (w[0] + 2.0 * w[1] + w[2] - 2.0);
        for (i, input) in [1.0, 2.0, 1.0].into_iter().enumerate() {
            let gradient = dy * input;
            m[i] = 0.8 * m[i] + 0.2 * gradient;
            v[i] = 0.9 * v[i] + 0.1 * gradient * gradient;
            let (mean, square) = (m[i] / (1.0 - 0.8_f64.powi(step)), v[i] / (1.0 - 0.9_f64.powi(step)));
            w[i] -= 0.1 * mean / (square.sqrt() + 1e-3);
        }
    }
    let parameters = model.parameters().unwrap();
    let found = [
        parameters.get("dense/kernel").unwrap()[0],
        parameters.get("dense/kernel").unwrap()[1],
        parameters.get("dense/bias").unwrap()[0],
    ];
    for (found, expected) in found.into_iter().zip(w) {
        assert!((f64::from(found) - expected).abs() < 1e-5, "{found}, {expected}");
    }
}

/// The states of an LSTM over one sequence, by plain loops: gates i, f, g, o.
fn plain_lstm(model: &Model, x: &[f32], inputs: usize, units: usize) -> Vec<f64> {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let parameters = model.parameters().unwrap();
    let part = |name| parameters.get(name).unwrap();
    let (kernel, recurrent, bias) = (part("lstm/kernel"), part("lstm/recurrent_kernel"), part("lstm/bias"));
    let (mut h, mut c, mut states) = (vec![0.0_f64; units], vec![0.0_f64; units], Vec::new());
    for x in x.chunks_exact(inputs) {
        let gate = |column: usize| {
            let from_input = (0..inputs).map(|i| f64::from(x[i]) * f64::from(kernel[i * 4 * units + column]));
            let from_state = (0..units).map(|u| h[u] * f64::from(recurrent[u * 4 * units + column]));
            f64::from(bias[column]) + from_input.chain(from_state).sum::<f64>()
        };
        let gates: Vec<f64> = (0..4 * units).map(gate).collect();
        for u in 0..units {
            let [i, f, g, o] = [gates[u], gates[units + u], gates[2 * units + u], gates[3 * units + u]];
            c[u] = sigmoid(f) * c[u] + sigmoid(i) * g.tanh();
            h[u] = sigmoid(o) * c[u].tanh();
        }
        states.extend_from_slice(&h);
    }
    states
}

#[test]
fn an_lstm_is_its_formula_and_a_stream_gives_the_same_bits() {
    let (inputs, units, steps) = (3, 5, 12);
    let mut g = Graph::new();
    let x = g.input("x", DType::F32, &[OPEN, inputs as i64]);
    let x = g.layer(LSTM { return_sequences: true, ..LSTM::new(units) }, x);
    g.output("y", x);
    let model = g.build("seed=3").unwrap();
    let mut random = Random(1);
    let x: Vec<f32> = (0..2 * steps * inputs).map(|_| 4.0 * random.next() - 2.0).collect();
    let x = Tensor::new(&[2, steps, inputs], x).unwrap();
    let mut y = Tensor::<f32>::zeros(&[2, steps, units]).unwrap();
    let mut session = Session::new(&model, "max_batch=2").unwrap();
    session.run(&x, &mut y).unwrap();
    for (x, y) in x.as_slice().chunks_exact(steps * inputs).zip(y.as_slice().chunks_exact(steps * units)) {
        for (found, expected) in y.iter().zip(plain_lstm(&model, x, inputs, units)) {
            assert!((f64::from(*found) - expected).abs() < 2e-6, "{found}, {expected}");
        }
    }
    // The second sequence alone, then both, in the other order: a stream is its own.
    let mut streams: Vec<_> = (0..2).map(|_| Stream::new(&model).unwrap()).collect();
    let mut out = Tensor::<f32>::zeros(&[2, units]).unwrap();
    let row = |sample: usize, t: usize| x.as_slice()[(sample * steps + t) * inputs..][..inputs].to_vec();
    let expected = |sample: usize, t: usize| &y.as_slice()[(sample * steps + t) * units..][..units];
    let mut one = Tensor::<f32>::zeros(&[1, units]).unwrap();
    session.step(&mut streams[1], &Tensor::new(&[1, inputs], row(1, 0)).unwrap(), &mut one).unwrap();
    assert_eq!(one.as_slice(), expected(1, 0));
    let (first, second) = streams.split_at_mut(1);
    for t in 0..steps - 1 {
        let now = Tensor::new(&[2, inputs], [row(1, t + 1), row(0, t)].concat()).unwrap();
        session.step([&mut second[0], &mut first[0]], &now, &mut out).unwrap();
        assert_eq!(&out.as_slice()[..units], expected(1, t + 1));
        assert_eq!(&out.as_slice()[units..], expected(0, t));
    }
    // From the start again.
    streams[0].reset().unwrap();
    let now = Tensor::new(&[1, inputs], row(0, 0)).unwrap();
    session.step(&mut streams[..1], &now, &mut one).unwrap();
    assert_eq!(one.as_slice(), expected(0, 0));
}

#[test]
fn a_cnn_and_an_lstm_learn_and_evaluate_as_they_run() {
    let (x, labels) = images(60);
    let model = cnn();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    let dataset = Dataset::from_arrays(&x, &labels).unwrap();
    let before = trainer.evaluate(&dataset, "").unwrap();
    fit(&trainer, &dataset, "epochs=8 batch_size=12").unwrap();
    let after = trainer.evaluate(&dataset, EvaluateOptions { batch_size: 7 }).unwrap();
    assert!(after.loss < 0.1 * before.loss && after.metric == Some(1.0), "{before:?}, {after:?}");
    // The loss is that of the outputs of a run.
    let mut logits = Tensor::<f32>::zeros(&[60, CLASSES]).unwrap();
    Session::new(&model, "max_batch=60").unwrap().run(&x, &mut logits).unwrap();
    let mean = logits
        .as_slice()
        .chunks_exact(CLASSES)
        .zip(labels.as_slice())
        .map(|(row, label)| {
            let sum: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
            sum.ln() - f64::from(row[*label as usize])
        })
        .sum::<f64>()
        / 60.0;
    assert!((mean - after.loss).abs() < 1e-5, "{mean}, {after:?}");

    let (tokens, lengths, labels) = sentences(60);
    let model = lstm();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    let dataset = Dataset::from_arrays((&tokens, &lengths), &labels).unwrap();
    fit(&trainer, &dataset, "epochs=20 batch_size=12").unwrap();
    assert_eq!(trainer.evaluate(&dataset, "").unwrap().metric, Some(1.0));
}

#[test]
fn the_same_seed_and_data_give_the_same_bits_however_they_are_given() {
    let (x, labels) = images(30);
    let wide: Vec<i64> = labels.as_slice().iter().map(|label| i64::from(*label)).collect();
    let wide = Tensor::from(wide);
    let mut doubled = Vec::new();
    x.as_slice().iter().for_each(|value| doubled.extend([*value, f32::NAN]));
    let size = IMAGE * IMAGE * 2;
    let shape = [30, IMAGE, IMAGE, 2];
    let every_other = TensorView::strided(&doubled, &shape, &[2 * size, 2 * IMAGE * 2, 4, 2]).unwrap();
    let trained = |dataset: &Dataset<'_>, options: &str| {
        let model = cnn();
        fit(&Trainer::new(&model, TRAINING).unwrap(), dataset, options).unwrap();
        model.to_bytes().unwrap()
    };
    let options = "epochs=2 batch_size=8";
    let expected = trained(&Dataset::from_arrays(&x, &labels).unwrap(), options);
    assert_eq!(trained(&Dataset::from_arrays(every_other, &wide).unwrap(), options), expected);
    assert_eq!(trained(&Dataset::from_owned(x.clone(), labels.clone()).unwrap(), options), expected);
    let typed = FitOptions { epochs: 2, batch_size: 8, ..Default::default() };
    assert_eq!(
        trained(&Dataset::from_arrays([&x], [&labels]).unwrap(), &nnkit::Options::text(&typed).unwrap()),
        expected
    );
    assert_ne!(trained(&Dataset::from_arrays(&x, &labels).unwrap(), "epochs=2 batch_size=8 shuffle=false"), expected);
}

#[test]
fn training_goes_on_from_its_state_to_the_bit() {
    let (x, labels) = images(30);
    let dataset = Dataset::from_arrays(&x, &labels).unwrap();
    let model = cnn();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    fit(&trainer, &dataset, "epochs=2 batch_size=8").unwrap();
    trainer.set("learning_rate=0.005").unwrap();
    let state = trainer.state().unwrap();
    fit(&trainer, &dataset, "epochs=2 batch_size=8").unwrap();

    let copy = Model::read(&state).unwrap();
    let resumed = Trainer::new(&copy, TRAINING).unwrap();
    resumed.read_state(&state).unwrap();
    assert_eq!(resumed.get("learning_rate").unwrap(), 0.005);
    fit(&resumed, &dataset, "epochs=2 batch_size=8").unwrap();
    assert_eq!(copy.to_bytes().unwrap(), model.to_bytes().unwrap());
    assert_eq!(resumed.state().unwrap(), trainer.state().unwrap());
}

#[test]
fn files_memory_and_writers_hold_the_same_bytes() {
    let model = lstm();
    let file = TemporaryFile::new("same.nnkit");
    model.save(&file.0).unwrap();
    let bytes = std::fs::read(&file.0).unwrap();
    assert_eq!(bytes, model.to_bytes().unwrap());
    let mut written = std::io::Cursor::new(Vec::new());
    model.write(&mut written).unwrap();
    assert_eq!(bytes, written.into_inner());
    let loaded = Model::load(&file.0).unwrap();
    assert_eq!(loaded.info().unwrap(), model.info().unwrap());
    assert_eq!(loaded.to_bytes().unwrap(), bytes);
}

#[test]
fn info_says_what_the_model_is_made_of() {
    let info = lstm().info().unwrap();
    let names: Vec<_> = info.inputs.iter().map(|input| (input.name.as_str(), input.dtype, &input.shape[..])).collect();
    assert_eq!(names, [("tokens", DType::I32, &[7][..]), ("lengths", DType::I32, &[][..])]);
    assert_eq!(info.outputs[0].shape, [3]);
    assert_eq!(
        info.layers.iter().map(|layer| &layer.kind[..]).collect::<Vec<_>>(),
        ["embedding", "lstm", "lstm", "dense"]
    );
    assert_eq!(info.layers[1].inputs, ["embedding", "lengths"]);
    assert!(info.layers[0].options.contains("vocabulary=11"));
    let count: usize = info.parameters.iter().map(|parameter| parameter.count).sum();
    assert_eq!((count, info.seed), (info.parameter_count, 7));
    let kernel = info.parameters.iter().find(|parameter| parameter.name == "lstm/kernel").unwrap();
    assert_eq!((&kernel.shape[..], kernel.count, kernel.trainable), (&[6, 36][..], 6 * 36, true));
    let table = info.to_string();
    assert!(table.contains("embedding") && table.ends_with(&format!("{} parameters", info.parameter_count)), "{table}");
    let steps = cnn().info().unwrap().inputs[0].step_shape.clone();
    assert_eq!((steps, info.inputs[0].step_shape.as_deref()), (None, Some(&[][..])));
    assert_eq!(info.outputs[0].open_as, None);

    let mut g = Graph::new();
    let (a, b) = (g.input("a", DType::F32, &[OPEN, 2]), g.input("b", DType::F32, &[OPEN, 3]));
    let states = g.add("gru", "units=4 return_sequences=true", b);
    g.output("states", states);
    let last = g.add("gru", "units=4", a);
    g.output("last", last);
    let info = g.build("").unwrap().info().unwrap();
    let open: Vec<_> = info.outputs.iter().map(|output| output.open_as.as_deref()).collect();
    assert_eq!(open, [Some("b"), None]);
}

#[test]
fn written_parameters_reach_sessions_that_ran_before() {
    let model = line([0.0, 0.0], 1.0);
    let mut session = Session::new(&model, "").unwrap();
    let (x, mut y) = (Tensor::new(&[1, 2], vec![1.0_f32, 1.0]).unwrap(), Tensor::<f32>::zeros(&[1, 1]).unwrap());
    session.run(&x, &mut y).unwrap();
    assert_eq!(y.as_slice(), [1.0]);
    model.parameters_mut().unwrap().get_mut("dense/kernel").unwrap().copy_from_slice(&[5.0, 6.0]);
    session.run(&x, &mut y).unwrap();
    assert_eq!(y.as_slice(), [12.0]);
    assert!(model.parameters().unwrap().get("dense/weight").is_none());
    assert_eq!(model.parameters().unwrap().infos().len(), 2);
}

#[test]
fn layers_with_two_inputs_and_layers_without_a_type_say_the_same() {
    let build = |typed: bool| {
        let mut g = Graph::new();
        let x = g.input("x", DType::F32, &[OPEN, 4]);
        let (a, b) = if typed {
            (g.layer(GRU { return_sequences: true, name: Some("gate".into()), ..GRU::new(4) }, x), x)
        } else {
            (g.add("gru", "units=4 return_sequences=true name=gate", x), x)
        };
        let sum = if typed { g.layer(Add::default(), [a, b]) } else { g.add("add", "", [a, b]) };
        let out = if typed {
            let layers: Vec<Box<dyn nnkit::Layer>> =
                vec![Box::new(Dropout { rate: 0.25, ..Default::default() }), Box::new(Dense::new(2))];
            layers.into_iter().fold(sum, |x, layer| g.layer(layer, x))
        } else {
            let dropped = g.add_multi("dropout", "rate=0.25", sum, 1)[0];
            g.add("dense", "units=2", dropped)
        };
        g.output("y", out);
        assert_eq!(g.shape(out).unwrap(), [OPEN, 2]);
        g.build("seed=5").unwrap().to_bytes().unwrap()
    };
    assert_eq!(build(true), build(false));
}

#[test]
fn settings_are_read_as_they_were_set() {
    let model = cnn();
    let options = TrainerOptions {
        optimizer: SGD { momentum: 0.5, nesterov: true, ..Default::default() }.into(),
        metric: Some(Metric::Accuracy),
        clip_norm: 2.0,
        ..TrainerOptions::new(Loss::SoftmaxCrossEntropy)
    };
    let trainer = Trainer::new(&model, options).unwrap();
    assert_eq!(trainer.get("momentum").unwrap(), 0.5);
    assert_eq!(trainer.get("nesterov").unwrap(), 1.0);
    assert_eq!(trainer.get("clip_norm").unwrap(), 2.0);
    trainer.set(SGD { learning_rate: 0.25, ..Default::default() }).unwrap();
    assert_eq!((trainer.get("learning_rate").unwrap(), trainer.get("momentum").unwrap()), (0.25, 0.0));
}

#[test]
fn sizes_of_sessions_are_known_before() {
    let model = cnn();
    let (one, many) = (Session::bytes(&model, "").unwrap(), Session::bytes(&model, "max_batch=64").unwrap());
    assert!(0 < one && one < many);
    assert!(Session::new(&model, SessionOptions { max_bytes: one as usize, ..Default::default() }).is_ok());
    assert!(Session::new(&model, SessionOptions { max_bytes: one as usize - 1, ..Default::default() }).is_err());
}

#[test]
fn the_library_says_what_it_is() {
    assert_eq!(nnkit::version().unwrap(), nnkit::default_runtime_info().unwrap().version);
    assert!(nnkit::abi_version().unwrap() >= 2);
    assert!(nnkit::catalog_json().unwrap().contains("\"conv2d\""));
    assert!(["baseline", "avx2", "avx512"].contains(&&nnkit::default_runtime_info().unwrap().isa[..]));
    nnkit::shutdown().unwrap();
    let runtime = nnkit::Runtime::new(nnkit::settings::RuntimeOptions { threads: 2 }).unwrap();
    let model = Model::read_on(&runtime, &cnn().to_bytes().unwrap()).unwrap();
    let file = TemporaryFile::new("runtime.nnkit");
    model.save(&file.0).unwrap();
    let other = Model::load_on(&runtime, &file.0).unwrap();
    drop(runtime);
    assert_eq!(*model.parameters().unwrap(), *other.parameters().unwrap());
}
