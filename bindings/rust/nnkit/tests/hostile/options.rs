//! Options, names and shapes that no graph, model, trainer, session or runtime may accept.

use super::*;
use crate::common::{cnn, images, TRAINING};
use nnkit::layers::{AvgPool2D, BatchNorm, Conv2D, Dense, Dropout, Embedding, MaxPool2D, GRU, LSTM};
use nnkit::optimizers::{Adam, SGD};
use nnkit::settings::{FitOptions, SessionOptions, TrainerOptions};
use nnkit::{DType, Dataset, Graph, Layer, Loss, Padding, Runtime, Session, Trainer, OPEN};

type Input = (DType, &'static [i64]);

const IMAGE: Input = (DType::F32, &[8, 8, 3]);
const VECTOR: Input = (DType::F32, &[7]);
const SEQUENCE: Input = (DType::F32, &[5, 4]);
const OPEN_SEQUENCE: Input = (DType::F32, &[OPEN, 4]);
const TOKENS: Input = (DType::I32, &[5]);
const SCALAR: Input = (DType::F32, &[]);

const ARGUMENT: &[ErrorKind] = &[InvalidArgument];
const SHAPE: &[ErrorKind] = &[Shape];
const TYPE: &[ErrorKind] = &[Type, Shape];
const SIZE: &[ErrorKind] = &[InvalidArgument, Shape, OutOfMemory];

/// Describes something on one input, makes the model, and plans it.
fn build(input: Input, body: impl FnOnce(&mut Graph, nnkit::Value) -> nnkit::Value) -> Result<()> {
    let mut g = Graph::new();
    let x = g.input("x", input.0, input.1);
    let y = body(&mut g, x);
    g.output("y", y);
    Session::new(&g.build("")?, "").map(drop)
}

const LAYERS: &[(Input, &str, &str, &[ErrorKind], &str)] = &[
    (IMAGE, "conv2d", "filters=0 kernel=3", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "filters=-1 kernel=3", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "filters=2147483648 kernel=3", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "filters=9223372036854775808 kernel=3", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "filters=18446744073709551617 kernel=3", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "filters=four kernel=3", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "filters= kernel=3", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "filters=4 kernel=0", ARGUMENT, "kernel"),
    (IMAGE, "conv2d", "filters=4 kernel=3,3,3", ARGUMENT, "kernel"),
    (IMAGE, "conv2d", "filters=4 kernel=,", ARGUMENT, "kernel"),
    (IMAGE, "conv2d", "filters=4 kernel=9", SHAPE, "conv2d"),
    (IMAGE, "conv2d", "filters=4 kernel=3 stride=-1", ARGUMENT, "stride"),
    (IMAGE, "conv2d", "filters=4 kernel=16777216 dilation=16777216", SIZE, ""),
    (IMAGE, "conv2d", "filters=4 kernel=3 padding=full", ARGUMENT, "padding"),
    (IMAGE, "conv2d", "filters=4 kernel=3 padding=16000000", SIZE, ""),
    (IMAGE, "conv2d", "filters=16777216 kernel=4096 padding=4096", SIZE, ""),
    (IMAGE, "conv2d", "filters=6 kernel=3 groups=2", SHAPE, "groups"),
    (IMAGE, "conv2d", "filters=4 kernel=3 groups=3", ARGUMENT, "groups"),
    (IMAGE, "conv2d", "", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "filters=4 kernel=3 filters=4", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "filters=4 kernel=3 activation=rely", ARGUMENT, "relu"),
    (IMAGE, "conv2d", "filters", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "=4", ARGUMENT, ""),
    (IMAGE, "conv2d", "filters=%s%n%s%n kernel=3", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "filters=😀 kernel=3", ARGUMENT, "filters"),
    (IMAGE, "conv2d", "filters=4 kernel=3 name=a/b", ARGUMENT, ""),
    (IMAGE, "conv2d", "filters=4\0kernel=3", ARGUMENT, "zero byte"),
    (IMAGE, "conv2d\0", "filters=4 kernel=3", ARGUMENT, "zero byte"),
    (IMAGE, "conv2", "filters=4 kernel=3", ARGUMENT, "conv2d"),
    (IMAGE, "", "", ARGUMENT, ""),
    (IMAGE, "maxpool2d", "size=9", SHAPE, "maxpool2d"),
    (IMAGE, "maxpool2d", "size=2 padding=2", SIZE, ""),
    (IMAGE, "avgpool2d", "size=2 count_padding=often", ARGUMENT, "count_padding"),
    (IMAGE, "flatten", "axis=1", ARGUMENT, "axis"),
    (IMAGE, "embedding", "vocabulary=5 units=4", TYPE, "embedding"),
    (IMAGE, "lstm", "units=4", SHAPE, "lstm"),
    (VECTOR, "dense", "units=9223372036854775807", SIZE, ""),
    (VECTOR, "dense", "unit=4", ARGUMENT, "units"),
    (VECTOR, "batchnorm", "momentum=nan", ARGUMENT, "momentum"),
    (VECTOR, "dropout", "rate=1e400", ARGUMENT, "rate"),
    (VECTOR, "activation", "", ARGUMENT, "function"),
    (VECTOR, "conv2d", "filters=4 kernel=3", SHAPE, "conv2d"),
    (VECTOR, "globalavgpool2d", "", SHAPE, "globalavgpool2d"),
    (VECTOR, "add", "", ARGUMENT, "add"),
    (SCALAR, "dense", "units=4", SHAPE, "dense"),
    (SCALAR, "softmax", "", SHAPE, "softmax"),
    (TOKENS, "dense", "units=4", TYPE, "dense"),
    (TOKENS, "embedding", "vocabulary=16777216 units=16777216", SIZE, ""),
    (TOKENS, "gru", "units=4", TYPE, "gru"),
    (SEQUENCE, "lstm", "units=16777216", SIZE, ""),
    (SEQUENCE, "lstm", "units=4 return_sequences=maybe", ARGUMENT, "return_sequences"),
    (OPEN_SEQUENCE, "flatten", "", SHAPE, "flatten"),
];

const MANY: usize = usize::MAX;

/// An input, a layer on it, what may come of it, and a word of the message.
type TypedLayer = (Input, Box<dyn Layer>, &'static [ErrorKind], &'static str);

/// Typed layers whose values the types allow.
fn typed() -> Vec<TypedLayer> {
    let conv = Conv2D::new(4, [3, 3]);
    let named = |name: &str| Box::new(Dense { name: Some(name.to_string()), ..Dense::new(1) });
    vec![
        (IMAGE, Box::new(Conv2D::default()), ARGUMENT, "filters"),
        (IMAGE, Box::new(Conv2D::new(MANY, [3, 3])), ARGUMENT, "filters"),
        (IMAGE, Box::new(Conv2D::new(4, [MANY, 1])), ARGUMENT, "kernel"),
        (IMAGE, Box::new(Conv2D { stride: [0, 1], ..conv.clone() }), ARGUMENT, "stride"),
        (IMAGE, Box::new(Conv2D { dilation: [MANY, MANY], ..conv.clone() }), SIZE, ""),
        (IMAGE, Box::new(Conv2D { groups: 0, ..conv.clone() }), ARGUMENT, "groups"),
        (IMAGE, Box::new(Conv2D { padding: Padding::All(MANY), ..conv.clone() }), ARGUMENT, "padding"),
        (IMAGE, Box::new(Conv2D { padding: Padding::Axes(MANY, 0), ..conv.clone() }), ARGUMENT, "padding"),
        (
            IMAGE,
            Box::new(Conv2D { padding: Padding::Sides { top: 1, bottom: MANY, left: 0, right: 0 }, ..conv }),
            ARGUMENT,
            "padding",
        ),
        (IMAGE, Box::new(MaxPool2D { size: [0, 0], ..Default::default() }), ARGUMENT, "size"),
        (IMAGE, Box::new(MaxPool2D { stride: Some([0, MANY]), ..Default::default() }), ARGUMENT, "stride"),
        (IMAGE, Box::new(AvgPool2D { padding: Padding::All(2), ..Default::default() }), SIZE, ""),
        (VECTOR, Box::new(Dense::default()), ARGUMENT, "units"),
        (VECTOR, Box::new(Dense::new(MANY)), ARGUMENT, "units"),
        (VECTOR, named(""), ARGUMENT, "empty"),
        (VECTOR, named("a units=2"), ARGUMENT, "white space"),
        (VECTOR, named("a\u{a0}b"), ARGUMENT, "white space"),
        (VECTOR, named("a\0b"), ARGUMENT, "zero byte"),
        (VECTOR, named("a/b"), ARGUMENT, ""),
        (VECTOR, Box::new(Dense { name: Some("n".repeat(10_000_000)), ..Dense::new(1) }), ARGUMENT, ""),
        (VECTOR, Box::new(Dropout { rate: f64::NAN, ..Default::default() }), ARGUMENT, "rate"),
        (VECTOR, Box::new(Dropout { rate: f64::INFINITY, ..Default::default() }), ARGUMENT, "rate"),
        (VECTOR, Box::new(Dropout { rate: -1.0, ..Default::default() }), ARGUMENT, "rate"),
        (VECTOR, Box::new(BatchNorm { epsilon: 0.0, ..Default::default() }), ARGUMENT, "epsilon"),
        (VECTOR, Box::new(BatchNorm { momentum: 1e300, ..Default::default() }), ARGUMENT, "momentum"),
        (TOKENS, Box::new(Embedding::new(MANY, 1)), ARGUMENT, "vocabulary"),
        (SEQUENCE, Box::new(LSTM { forget_bias: f64::NEG_INFINITY, ..LSTM::new(3) }), ARGUMENT, "forget_bias"),
        (SEQUENCE, Box::new(GRU::new(0)), ARGUMENT, "units"),
    ]
}

fn inputs(cases: &mut Cases) {
    let mut input = |name: &'static str, dtype: DType, shape: &'static [i64], kinds, word| {
        cases.add(format!("input {name:.20?} {dtype} {shape:?}"), kinds, word, move || {
            let mut g = Graph::new();
            let x = g.input(name, dtype, shape);
            g.output("y", x);
            Session::new(&g.build("")?, "").map(drop)
        });
    };
    input("", DType::F32, &[4], ARGUMENT, "");
    input("a b", DType::F32, &[4], ARGUMENT, "");
    input("a\0b", DType::F32, &[4], ARGUMENT, "zero byte");
    input("x", DType::I64, &[4], &[InvalidArgument, Type], "");
    input("x", DType::F32, &[0], &[Shape, InvalidArgument], "");
    input("x", DType::F32, &[-2, 4], &[Shape, InvalidArgument], "");
    input("x", DType::F32, &[i64::MAX], SIZE, "");
    input("x", DType::F32, &[i64::MIN], &[Shape, InvalidArgument], "");
    input("x", DType::F32, &[1 << 31, 1 << 31, 4], SIZE, "");
    input("x", DType::F32, &[1; 9], &[Shape], "rank");
    cases.add("input with a name of 10 MB", ARGUMENT, "", || {
        let mut g = Graph::new();
        let x = g.input(&"n".repeat(10_000_000), DType::F32, &[4]);
        g.output("y", x);
        g.build("").map(drop)
    });
    cases.add("input with a shape of a million sizes", SHAPE, "rank", || {
        let mut g = Graph::new();
        let x = g.input("x", DType::F32, &vec![1; 1_000_000]);
        g.output("y", x);
        g.build("").map(drop)
    });
}

fn graphs(cases: &mut Cases) {
    cases.add("a graph without anything", ARGUMENT, "", || Graph::new().build("").map(drop));
    cases.add("a graph without an output", ARGUMENT, "", || {
        let mut g = Graph::new();
        g.input("x", DType::F32, &[4]);
        g.build("").map(drop)
    });
    cases.add("one name for two outputs", ARGUMENT, "twice", || {
        let mut g = Graph::new();
        let x = g.input("x", DType::F32, &[4]);
        g.output("twice", x);
        g.output("twice", x);
        g.build("").map(drop)
    });
    cases.add("a layer without an input", ARGUMENT, "", || {
        build(VECTOR, |g, _| g.add("dense", "units=1", [] as [nnkit::Value; 0]))
    });
    cases.add("a layer with a million inputs", ARGUMENT, "", || {
        build(VECTOR, |g, x| g.add("dense", "units=1", vec![x; 1_000_000]))
    });
    cases.add("a layer without an output", ARGUMENT, "", || {
        build(VECTOR, |g, x| {
            g.add_multi("dense", "units=1", x, 0);
            x
        })
    });
    for outputs in [2, 4096, 4097, usize::MAX] {
        cases.add(format!("a layer with {outputs} outputs"), ARGUMENT, "", move || {
            build(VECTOR, |g, x| {
                g.add_multi("dense", "units=1", x, outputs);
                x
            })
        });
    }
    cases.add("a value of a graph that is gone", ARGUMENT, "another graph", || {
        let stale = Graph::new().input("x", DType::F32, &[4]);
        build(VECTOR, |g, _| g.add("dense", "units=1", stale))
    });
    cases.add("a value that an error gave", ARGUMENT, "units=0", || {
        build(VECTOR, |g, x| {
            let bad = g.add("dense", "units=0", x);
            g.add("dense", "units=1", bad)
        })
    });
    cases.add("a hundred thousand layers after an error", ARGUMENT, "units=0", || {
        build(VECTOR, |g, x| {
            let x = g.add("dense", "units=0", x);
            (0..100_000).fold(x, |x, _| g.add("activation", "function=relu", x))
        })
    });
    cases.add("options of 10 MB", ARGUMENT, "65536", || {
        build(VECTOR, |g, x| g.add("dense", &format!("units={}", "9".repeat(10_000_000)), x))
    });
}

/// Functions that take options, and options that they refuse.
fn functions(cases: &mut Cases) {
    type Function = fn(&str) -> Result<()>;
    let model: Function = |options| crate::common::cnn_graph().build(options).map(drop);
    let trainer: Function = |options| Trainer::new(&cnn(), options).map(drop);
    let settings: Function = |settings| Trainer::new(&cnn(), TRAINING)?.set(settings);
    let setting: Function = |name| Trainer::new(&cnn(), TRAINING)?.get(name).map(drop);
    let session: Function = |options| Session::new(&cnn(), options).map(drop);
    let bytes: Function = |options| Session::bytes(&cnn(), options).map(drop);
    let runtime: Function = |options| Runtime::new(options).map(drop);
    let fit: Function = |options| {
        let (x, labels) = images(6);
        let dataset = Dataset::from_arrays(&x, &labels)?;
        Trainer::new(&cnn(), TRAINING)?.fit(&dataset, options, |_| true)
    };
    let evaluate: Function = |options| {
        let (x, labels) = images(6);
        let dataset = Dataset::from_arrays(&x, &labels)?;
        Trainer::new(&cnn(), TRAINING)?.evaluate(&dataset, options).map(drop)
    };
    let rows: &[(&str, Function, &'static str, &'static [ErrorKind], &'static str)] = &[
        ("model", model, "seed=-1", ARGUMENT, "seed"),
        ("model", model, "seed=99999999999999999999", ARGUMENT, "seed"),
        ("model", model, "seed=1 seed=2", ARGUMENT, "seed"),
        ("model", model, "\0", ARGUMENT, "zero byte"),
        ("trainer", trainer, "", ARGUMENT, "loss"),
        ("trainer", trainer, "loss=softmax_cross_entropi", ARGUMENT, "softmax_cross_entropy"),
        ("trainer", trainer, "loss=softmax_cross_entropy optimizer=adan", ARGUMENT, "adam"),
        ("trainer", trainer, "loss=softmax_cross_entropy learning_rate=nan", ARGUMENT, "learning_rate"),
        ("trainer", trainer, "loss=softmax_cross_entropy optimizer=sgd beta1=0.5", ARGUMENT, "beta1"),
        ("trainer", trainer, "loss=softmax_cross_entropy metric=f1", ARGUMENT, "metric"),
        ("settings", settings, "learning_rat=1", ARGUMENT, "learning_rate"),
        ("settings", settings, "learning_rate=-1", ARGUMENT, "learning_rate"),
        ("settings", settings, "optimizer=sgd", ARGUMENT, "optimizer"),
        ("settings", settings, "learning_rate=1 learning_rate=2", ARGUMENT, "learning_rate"),
        ("settings", settings, " \t\n ", &[], ""),
        ("setting", setting, "momentum", ARGUMENT, "momentum"),
        ("setting", setting, "", ARGUMENT, ""),
        ("setting", setting, "learning_rate\0", ARGUMENT, "zero byte"),
        ("fit", fit, "epochs=0", ARGUMENT, "epochs"),
        ("fit", fit, "epochs=9223372036854775808", ARGUMENT, "epochs"),
        ("fit", fit, "epoch=1", ARGUMENT, "epochs"),
        ("fit", fit, "batch_size=-4", ARGUMENT, "batch_size"),
        ("fit", fit, "batch_size=1073741824", &[], ""),
        ("fit", fit, "validation_split=1", ARGUMENT, "validation_split"),
        ("fit", fit, "validation_split=nan", ARGUMENT, "validation_split"),
        ("fit", fit, "shuffle=perhaps", ARGUMENT, "shuffle"),
        ("fit", fit, "report=always", ARGUMENT, "report"),
        ("evaluate", evaluate, "batch_size=0", ARGUMENT, "batch_size"),
        ("evaluate", evaluate, "epochs=1", ARGUMENT, "epochs"),
        ("session", session, "max_batch=0", ARGUMENT, "max_batch"),
        ("session", session, "max_batch=1073741824", SIZE, ""),
        ("session", session, "max_bytes=1", &[OutOfMemory], "max_bytes"),
        ("session", session, "max_time=-1", ARGUMENT, "max_time"),
        ("session bytes", bytes, "max_batch=9223372036854775807", SIZE, ""),
        ("runtime", runtime, "threads=-1", ARGUMENT, "threads"),
        ("runtime", runtime, "threads=2147483648", ARGUMENT, "threads"),
        ("runtime", runtime, "thread=2", ARGUMENT, "threads"),
    ];
    for (title, function, options, kinds, word) in rows {
        let (function, options) = (*function, *options);
        cases.add(format!("{title}, options {options:?}"), kinds, word, move || function(options));
    }
    cases.add("trainer, a typed rate that is not a number", ARGUMENT, "learning_rate", || {
        let optimizer = Adam { learning_rate: f64::NAN, ..Default::default() }.into();
        let options = TrainerOptions { optimizer, ..TrainerOptions::new(Loss::SoftmaxCrossEntropy) };
        Trainer::new(&cnn(), options).map(drop)
    });
    cases.add("trainer, the options of another optimizer as settings", ARGUMENT, "momentum", || {
        Trainer::new(&cnn(), TRAINING)?.set(SGD::default())
    });
    cases.add("trainer, a typed norm that is negative", ARGUMENT, "clip_norm", || {
        Trainer::new(&cnn(), TrainerOptions { clip_norm: -1.0, ..TrainerOptions::new(Loss::SoftmaxCrossEntropy) })
            .map(drop)
    });
    cases.add("fit, typed sizes that no integer of the library has", ARGUMENT, "epochs", || {
        let (x, labels) = images(6);
        let options = FitOptions { epochs: MANY, batch_size: MANY, ..Default::default() };
        let dataset = Dataset::from_arrays(&x, &labels)?;
        Trainer::new(&cnn(), TRAINING)?.fit(&dataset, options, |_| true)
    });
    cases.add("session, a typed batch that no integer of the library has", ARGUMENT, "max_batch", || {
        Session::new(&cnn(), SessionOptions { max_batch: MANY, ..Default::default() }).map(drop)
    });
    cases.add("trainer, options of 10 MB", ARGUMENT, "", || {
        Trainer::new(&cnn(), format!("loss={}", "x".repeat(10_000_000))).map(drop)
    });
}

pub fn add(cases: &mut Cases) {
    for (input, kind, options, kinds, word) in LAYERS {
        cases.add(format!("layer {kind:?}, options {options:?}, input {:?}", input.1), kinds, word, move || {
            build(*input, |g, x| g.add(kind, options, x))
        });
    }
    for (place, (input, layer, kinds, word)) in typed().into_iter().enumerate() {
        cases.add(format!("typed layer {place}, {}", layer.kind()), kinds, word, move || {
            build(input, |g, x| g.layer(&layer, x))
        });
    }
    inputs(cases);
    graphs(cases);
    functions(cases);
}
