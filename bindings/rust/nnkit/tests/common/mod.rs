//! A small convolutional and a small recurrent network with data, which most tests use.
#![allow(dead_code)] // each test uses its own part

use nnkit::layers::{Conv2D, Dense, Embedding, Flatten, MaxPool2D, LSTM};
use nnkit::{Activation, DType, Dataset, Graph, Model, Padding, Result, Tensor, Trainer};

pub const CLASSES: usize = 3;
pub const IMAGE: usize = 8;
pub const STEPS: usize = 7;
pub const VOCABULARY: usize = 11;

pub const TRAINING: &str = "loss=softmax_cross_entropy optimizer=adam learning_rate=0.02 metric=accuracy";

/// Numbers from 0 to below 1, the same on every machine.
pub struct Random(pub u32);

impl Random {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 16_777_216.0
    }
}

/// Images `[8, 8, 2]` to three classes.
pub fn cnn_graph() -> Graph {
    let conv =
        |filters| Conv2D { padding: Padding::Same, activation: Activation::Relu, ..Conv2D::new(filters, [3, 3]) };
    let mut g = Graph::new();
    let x = g.input("image", DType::F32, &[IMAGE as i64, IMAGE as i64, 2]);
    let x = g.layer(conv(5), x);
    let x = g.layer(MaxPool2D::default(), x);
    let x = g.layer(conv(7), x);
    let x = g.layer(Flatten::default(), x);
    let x = g.layer(Dense::new(CLASSES), x);
    g.output("logits", x);
    g
}

pub fn cnn() -> Model {
    cnn_graph().build("seed=7").unwrap()
}

/// Images whose class can be seen in their waves, and the classes.
pub fn images(n: usize) -> (Tensor<f32>, Tensor<i32>) {
    let mut random = Random(20_240_607);
    let mut pixels = Vec::new();
    let labels: Vec<i32> = (0..n).map(|i| (i % CLASSES) as i32).collect();
    for label in &labels {
        let pitch = 0.5 + 0.7 * *label as f32;
        pixels.extend((0..IMAGE * IMAGE * 2).map(|j| (j as f32 * pitch).sin() + random.next() - 0.5));
    }
    (Tensor::new(&[n, IMAGE, IMAGE, 2], pixels).unwrap(), Tensor::from(labels))
}

/// Tokens `[7]` and their number to three classes.
pub fn lstm() -> Model {
    let mut g = Graph::new();
    let tokens = g.input("tokens", DType::I32, &[STEPS as i64]);
    let lengths = g.input("lengths", DType::I32, &[]);
    let x = g.layer(Embedding::new(VOCABULARY, 6), tokens);
    let x = g.layer(LSTM { return_sequences: true, ..LSTM::new(9) }, [x, lengths]);
    let x = g.layer(LSTM::new(17), [x, lengths]);
    let x = g.layer(Dense::new(CLASSES), x);
    g.output("logits", x);
    g.build("seed=7").unwrap()
}

/// Tokens of which the first says the class, lengths, and the classes.
pub fn sentences(n: usize) -> (Tensor<i32>, Tensor<i32>, Tensor<i32>) {
    let mut random = Random(20_240_607);
    let labels: Vec<i32> = (0..n).map(|i| (i % CLASSES) as i32).collect();
    let (mut tokens, mut lengths) = (Vec::new(), Vec::new());
    for label in &labels {
        tokens.push(*label);
        tokens.extend((1..STEPS).map(|_| (random.next() * VOCABULARY as f32) as i32));
        lengths.push(1 + (random.next() * STEPS as f32) as i32);
    }
    (Tensor::new(&[n, STEPS], tokens).unwrap(), Tensor::from(lengths), Tensor::from(labels))
}

/// Two values in, one out, by one dense layer whose weights are `w` and whose bias is `b`.
pub fn line(w: [f32; 2], b: f32) -> Model {
    let mut g = Graph::new();
    let x = g.input("x", DType::F32, &[2]);
    let x = g.layer(Dense::new(1), x);
    g.output("y", x);
    let model = g.build("").unwrap();
    let mut parameters = model.parameters_mut().unwrap();
    parameters.get_mut("dense/kernel").unwrap().copy_from_slice(&w);
    parameters.get_mut("dense/bias").unwrap().copy_from_slice(&[b]);
    drop(parameters);
    model
}

/// A fit without a callback.
pub fn fit(trainer: &Trainer<'_>, dataset: &Dataset<'_>, options: &str) -> Result<()> {
    trainer.fit(dataset, options, |_| true)
}

/// A file of this process's own, which goes at the end.
pub struct TemporaryFile(pub std::path::PathBuf);

impl TemporaryFile {
    pub fn new(name: &str) -> TemporaryFile {
        TemporaryFile(std::env::temp_dir().join(format!("nnkit-rust-{}-{name}", std::process::id())))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
