//! Loads the network that `train` saved, and names what is in new images. Prints what examples/c/run.c prints.
//!
//!     cargo run --release --bin run -- shapes.nnkit
//!     cargo run --release --bin run --features dlopen -- shapes.nnkit path/to/libnnkit.so

use nnkit::{Model, Result, Session, Tensor};
use nnkit_examples::{draw, NAMES};

const N: usize = 16;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().unwrap_or_else(|| "shapes.nnkit".into());
    #[cfg(feature = "dlopen")]
    if let Some(library) = arguments.next() {
        nnkit::load(library)?; // without it: NNKIT_LIBRARY, or where the system looks
    }
    let (images, labels) = draw(N, 2)?; // not those of the training
    let mut logits = Tensor::<f32>::zeros(&[N, NAMES.len()])?;

    // One session per thread; a run allocates nothing.
    let mut session = Session::new(&Model::load(path)?, "max_batch=16")?;
    session.run(&images, &mut logits)?;

    let mut right = 0;
    for (row, label) in logits.as_slice().chunks_exact(NAMES.len()).zip(labels.as_slice()) {
        let guess = (0..row.len()).fold(0, |best, each| if row[each] > row[best] { each } else { best });
        let word = if guess as i32 == *label { "right" } else { "wrong" };
        println!("{:<6}  {:<6}  {:9.6} {:9.6} {:9.6}", NAMES[guess], word, row[0], row[1], row[2]);
        right += usize::from(guess as i32 == *label);
    }
    println!("{right} of {N} right");
    Ok(())
}
