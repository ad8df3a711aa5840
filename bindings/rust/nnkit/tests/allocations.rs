//! A step, a run and a step of streams allocate nothing, neither in this crate nor in what it calls of Rust.
#![allow(clippy::declare_interior_mutable_const)] // what thread_local! makes, to the Clippy of Rust 1.63

mod common;

use common::*;
use nnkit::{Session, Stream, Tensor, Trainer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts what each thread asks for.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// Safety: it is the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        System.dealloc(memory, layout)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(mut body: impl FnMut()) -> usize {
    body(); // plans
    let before = ALLOCATIONS.with(Cell::get);
    (0..5).for_each(|_| body());
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn the_calls_that_come_again_and_again_allocate_nothing() {
    assert_eq!(allocations(|| drop(Box::new(1))), 5, "the count counts");

    let (x, labels) = images(6);
    let model = cnn();
    let trainer = Trainer::new(&model, TRAINING).unwrap();
    assert_eq!(allocations(|| assert!(trainer.step(&x, &labels).is_ok())), 0);

    let by_hand = Trainer::new(&model, "loss=none").unwrap();
    let mut logits = Tensor::<f32>::zeros(&[6, CLASSES]).unwrap();
    let gradients = logits.clone();
    let step = || {
        by_hand.forward(&x, &mut logits).unwrap();
        by_hand.backward(&gradients, ()).unwrap();
        by_hand.apply().unwrap();
    };
    assert_eq!(allocations(step), 0);

    let mut session = Session::new(&model, "max_batch=6").unwrap();
    let mut logits = Tensor::<f32>::zeros(&[6, CLASSES]).unwrap();
    assert_eq!(allocations(|| session.run(&x, &mut logits).unwrap()), 0);

    let model = lstm();
    let mut session = Session::new(&model, "max_batch=6").unwrap();
    let mut streams: Vec<Stream> = (0..6).map(|_| Stream::new(&model).unwrap()).collect();
    let (tokens, ones) = (Tensor::from(vec![1; 6]), Tensor::from(vec![1; 6]));
    assert_eq!(allocations(|| session.step(&mut streams, (&tokens, &ones), &mut logits).unwrap()), 0);
    let mut scattered: Vec<&mut Stream> = streams.iter_mut().collect();
    assert_eq!(allocations(|| session.step(&mut scattered[..], (&tokens, &ones), &mut logits).unwrap()), 0);
}
