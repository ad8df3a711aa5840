//! Loads a model and classifies drawings, as the example run.c does, and prints the same.
//!
//!     program <model> <drawings>

use nnkit::{Model, Session, Tensor};

const NAMES: [&str; 3] = ["square", "disc", "cross"];
const COUNT: usize = 16;
const SIZE: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let data = std::fs::read(&arguments[2])?;
    let words: Vec<[u8; 4]> = data.chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]]).collect();
    let (pixels, labels) = words.split_at(COUNT * SIZE * SIZE);
    let images = Tensor::new(&[COUNT, SIZE, SIZE, 1], pixels.iter().map(|word| f32::from_le_bytes(*word)).collect())?;
    let mut logits = Tensor::<f32>::zeros(&[COUNT, NAMES.len()])?;
    Session::new(&Model::load(&arguments[1])?, "max_batch=16")?.run(&images, &mut logits)?;
    let mut right = 0;
    for (row, label) in logits.as_slice().chunks_exact(NAMES.len()).zip(labels) {
        let guess = (0..NAMES.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0);
        let is_right = guess as i32 == i32::from_le_bytes(*label);
        let verdict = if is_right { "right" } else { "wrong" };
        println!("{:6}  {:6}  {:9.6} {:9.6} {:9.6}", NAMES[guess], verdict, row[0], row[1], row[2]);
        right += usize::from(is_right);
    }
    println!("{right} of {COUNT} right");
    Ok(())
}
