//! The images that the examples learn: outlines of squares, discs and crosses, drawn with noise. They are, to the bit,
//! those of examples/c/shapes.h.

use nnkit::{Result, Tensor};

/// The height and width of an image.
pub const SIZE: usize = 16;

/// What may be in an image; its place here is its label.
pub const NAMES: [&str; 3] = ["square", "disc", "cross"];

/// Numbers from 0 to below 1, the same on every machine.
struct Random(u32);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 16_777_216.0
    }
}

/// Draws `n` images `[n, 16, 16, 1]`, with a shape of a random kind, place and size in each, and says which it is.
pub fn draw(n: usize, seed: u32) -> Result<(Tensor<f32>, Tensor<i32>)> {
    let mut random = Random(seed);
    let (mut images, mut labels) = (Vec::with_capacity(n * SIZE * SIZE), Vec::with_capacity(n));
    for _ in 0..n {
        let kind = (random.next() * NAMES.len() as f32) as i32;
        let radius = 3.0 + 3.0 * random.next();
        let (x0, y0) = (6.0 + 4.0 * random.next(), 6.0 + 4.0 * random.next());
        for row in 0..SIZE {
            for column in 0..SIZE {
                let (x, y) = ((column as f32 - x0).abs(), (row as f32 - y0).abs());
                // The distance from the outline.
                let far = match kind {
                    0 => (x.max(y) - radius).abs(),
                    1 => ((x * x + y * y).sqrt() - radius).abs(),
                    _ => x.min(y).max(x.max(y) - radius),
                };
                images.push((1.0 - far).max(0.0) + 0.3 * (random.next() - 0.5));
            }
        }
        labels.push(kind);
    }
    Ok((Tensor::new(&[n, SIZE, SIZE, 1], images)?, Tensor::from(labels)))
}
