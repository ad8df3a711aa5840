//! The scenario of scenario.c, in Rust.
//!
//!     scenario <file to save to>

use nnkit::layers::{Dense, LSTM};
use nnkit::optimizers::Adam;
use nnkit::settings::{FitOptions, TrainerOptions};
use nnkit::{DType, Dataset, Graph, Loss, Model, Session, Stream, Tensor, TensorView, Trainer};
use std::error::Error;

const SAMPLES: usize = 96;
const STEPS: usize = 12;
const FEATURES: usize = 3;
const OUTPUTS: usize = 2;
const BATCH: usize = 16;
const SAMPLE: usize = STEPS * FEATURES;

/// Numbers from -1 to below 1, which go on from call to call.
struct Numbers(u64);

impl Numbers {
    fn draw(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| {
                self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (self.0 >> 40) as f32 / 8388608.0 - 1.0
            })
            .collect()
    }
}

/// Prints the 64-bit FNV-1a hash of some bytes.
fn show(name: &str, bytes: impl IntoIterator<Item = u8>) {
    let hash = bytes
        .into_iter()
        .fold(14695981039346656037_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(1099511628211));
    println!("{name} {hash:016x}");
}

/// The same, of the bytes of numbers.
fn show_floats<'a>(name: &str, values: impl IntoIterator<Item = &'a f32>) {
    show(name, values.into_iter().flat_map(|value| value.to_le_bytes()));
}

fn build() -> nnkit::Result<Model> {
    let mut g = Graph::new();
    let x = g.input("input", DType::F32, &[STEPS as i64, FEATURES as i64]);
    let x = g.layer(LSTM { return_sequences: true, name: Some("first".into()), ..LSTM::new(8) }, x);
    let x = g.layer(LSTM { name: Some("second".into()), ..LSTM::new(8) }, x);
    let x = g.layer(Dense { name: Some("head".into()), ..Dense::new(2) }, x);
    g.output("output", x);
    g.build("seed=7")
}

/// A batch: samples of `x` or `y`, from the sample `first` on.
fn batch<'a>(values: &'a [f32], first: usize, sample: &[usize]) -> nnkit::Result<TensorView<'a>> {
    let size: usize = sample.iter().product();
    TensorView::new(&values[first * size..][..BATCH * size], &[&[BATCH][..], sample].concat())
}

fn train(model: &Model, x: &[f32], y: &[f32]) -> nnkit::Result<()> {
    let options = TrainerOptions {
        optimizer: Adam { learning_rate: 0.01, ..Default::default() }.into(),
        ..TrainerOptions::new(Loss::MeanSquaredError)
    };
    let trainer = Trainer::new(model, options)?;
    let dataset = Dataset::from_arrays(
        TensorView::new(x, &[SAMPLES, STEPS, FEATURES])?,
        TensorView::new(y, &[SAMPLES, OUTPUTS])?,
    )?;
    let mut losses = Vec::new();
    trainer.fit(&dataset, FitOptions { epochs: 3, batch_size: BATCH, ..Default::default() }, |progress| {
        losses.push(progress.loss as f32);
        true
    })?;
    show_floats("losses", &losses);

    trainer.set("learning_rate=0.005")?;
    let loss = trainer.step(batch(x, 0, &[STEPS, FEATURES])?, batch(y, 0, &[OUTPUTS])?)?;
    show_floats("step", &[loss as f32]);

    let mut outputs = Tensor::zeros(&[BATCH, OUTPUTS])?;
    trainer.forward(batch(x, BATCH, &[STEPS, FEATURES])?, &mut outputs)?;
    show_floats("forward", outputs.as_slice());
    trainer.backward(&Tensor::new(&[BATCH, OUTPUTS], vec![0.125_f32; BATCH * OUTPUTS])?, ())?;
    trainer.apply()
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: scenario <file to save to>")?;
    let mut numbers = Numbers(1);
    let x = numbers.draw(SAMPLES * SAMPLE);
    let y = numbers.draw(SAMPLES * OUTPUTS);

    let model = build()?;
    train(&model, &x, &y)?;
    let parameters = model.parameters()?;
    show_floats("parameters", parameters.infos().iter().filter_map(|info| parameters.get(&info.name)).flatten());
    drop(parameters);

    model.save(&path)?;
    let loaded = Model::load(&path)?;
    let mut outputs = Tensor::zeros(&[8, OUTPUTS])?;
    let inputs = TensorView::new(&x[..8 * SAMPLE], &[8, STEPS, FEATURES])?;
    Session::new(&loaded, "max_batch=8")?.run(inputs, &mut outputs)?;
    show_floats("run", outputs.as_slice());

    let (mut session, mut stream) = (Session::new(&loaded, "")?, Stream::new(&loaded)?);
    let mut streamed = Vec::new();
    for step in x[..SAMPLE].chunks(FEATURES) {
        let mut output = Tensor::zeros(&[1, OUTPUTS])?;
        session.step(&mut stream, TensorView::new(step, &[1, FEATURES])?, &mut output)?;
        streamed.extend_from_slice(output.as_slice());
    }
    show_floats("stream", &streamed);
    show("file", std::fs::read(&path)?);
    Ok(())
}
