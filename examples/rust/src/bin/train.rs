//! Trains a small convolutional network and saves it, as examples/c/train.c does: the file has the same bytes.
//!
//!     cargo run --release --bin train -- shapes.nnkit

use nnkit::layers::{Conv2D, Dense, Flatten, MaxPool2D};
use nnkit::{Activation, DType, Dataset, Graph, Padding, Result, Trainer};
use nnkit_examples::{draw, NAMES, SIZE};

fn main() -> Result<()> {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| "shapes.nnkit".into());
    let (images, labels) = draw(1500, 1)?;

    let conv =
        |filters| Conv2D { padding: Padding::Same, activation: Activation::Relu, ..Conv2D::new(filters, [3, 3]) };
    let mut g = Graph::new();
    let x = g.input("image", DType::F32, &[SIZE as i64, SIZE as i64, 1]);
    let x = g.layer(conv(8), x);
    let x = g.layer(MaxPool2D::default(), x);
    let x = g.layer(conv(16), x);
    let x = g.layer(MaxPool2D::default(), x);
    let x = g.layer(Flatten::default(), x);
    let x = g.layer(Dense::new(NAMES.len()), x);
    g.output("logits", x);
    let model = g.build("seed=7")?; // reports a mistake above
    println!("{}", model.info()?);

    Trainer::new(&model, "loss=softmax_cross_entropy optimizer=adam learning_rate=3e-3 metric=accuracy")?.fit(
        &Dataset::from_arrays(&images, &labels)?,
        "epochs=5 batch_size=32 validation_split=0.2",
        |p| {
            println!("{p}");
            true // false stops
        },
    )?;
    model.save(path)
}
