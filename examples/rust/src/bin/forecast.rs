//! An LSTM learns to say what comes next in a wave, and then goes on with a wave by itself, one time step at a time.
//!
//!     cargo run --release --bin forecast

use nnkit::layers::{Dense, LSTM};
use nnkit::optimizers::Adam;
use nnkit::settings::{FitOptions, TrainerOptions};
use nnkit::{DType, Dataset, Graph, Loss, Result, Session, Stream, Tensor, Trainer, OPEN};

/// What the waves are made of: a slow and a fast one, shifted by `phase`.
fn wave(phase: f32, time: usize) -> f32 {
    let t = time as f32 + 7.0 * phase;
    0.6 * (0.25 * t).sin() + 0.3 * (0.55 * t).sin()
}

/// `n` waves of `steps` values, `[n, steps, 1]`, which begin at `first`.
fn waves(n: usize, first: usize, steps: usize) -> Result<Tensor<f32>> {
    let values = (0..n).flat_map(|i| (first..first + steps).map(move |t| wave(i as f32, t))).collect();
    Tensor::new(&[n, steps, 1], values)
}

fn main() -> Result<()> {
    let mut g = Graph::new();
    let x = g.input("wave", DType::F32, &[OPEN, 1]);
    let x = g.layer(LSTM { return_sequences: true, ..LSTM::new(24) }, x);
    let x = g.layer(Dense::new(1), x);
    g.output("next", x);
    let model = g.build("seed=1")?;

    let (n, steps) = (64, 40);
    let (x, y) = (waves(n, 0, steps)?, waves(n, 1, steps)?);
    let options = TrainerOptions {
        optimizer: Adam { learning_rate: 1e-2, ..Default::default() }.into(),
        clip_norm: 1.0,
        ..TrainerOptions::new(Loss::MeanSquaredError)
    };
    let trainer = Trainer::new(&model, options)?;
    trainer.fit(
        &Dataset::from_arrays(&x, &y)?,
        FitOptions { epochs: 60, batch_size: 16, ..Default::default() },
        |p| {
            if p.epoch % 20 == 0 {
                println!("{p}");
            }
            if p.epoch == 40 {
                trainer.set("learning_rate=2e-3").expect("a setting of Adam");
            }
            true
        },
    )?;

    // A session answers whole sequences, of any length; waves that it has not seen begin elsewhere.
    let (n, steps) = (8, 60);
    let (x, truth) = (waves(n, 100, steps)?, waves(n, 101, steps)?);
    let mut session = Session::new(&model, "max_batch=8")?;
    let mut whole = Tensor::<f32>::zeros(&[n, steps, 1])?;
    session.run(&x, &mut whole)?;
    let squares = whole.as_slice().iter().zip(truth.as_slice()).map(|(a, b)| (a - b).powi(2));
    println!("one step ahead: error {:.4}", (squares.sum::<f32>() / (n * steps) as f32).sqrt());

    // Streams answer as the values come: eight waves advance in one call, to the same bits.
    let mut streams = (0..n).map(|_| Stream::new(&model)).collect::<Result<Vec<_>>>()?;
    let (mut now, mut next) = (Tensor::<f32>::zeros(&[n, 1])?, Tensor::<f32>::zeros(&[n, 1])?);
    for t in 0..steps {
        for i in 0..n {
            now.as_mut_slice()[i] = x.as_slice()[i * steps + t];
        }
        session.step(&mut streams, &now, &mut next)?;
        assert!((0..n).all(|i| next.as_slice()[i] == whole.as_slice()[i * steps + t]));
    }
    println!("step by step: the same numbers");

    // From here on each wave goes on with what it said itself.
    let mut worst = 0.0_f32;
    for t in 0..10 {
        for i in 0..n {
            worst = worst.max((next.as_slice()[i] - wave(i as f32, 100 + steps + t)).abs());
        }
        now.as_mut_slice().copy_from_slice(next.as_slice());
        session.step(&mut streams, &now, &mut next)?;
    }
    println!("ten steps by itself: error at most {worst:.4}");
    Ok(())
}
