//! Layers that move elements, with lists of inputs and of outputs, and inputs that are absent.

use nnkit::layers::{Concat, Permute, Repeat, Reshape, Slice, Split, LSTM};
use nnkit::{DType, ErrorKind, Graph, Value};

#[test]
fn every_layer_has_the_shape_that_its_options_say() {
    let mut g = Graph::new();
    let x = g.input("x", DType::F32, &[4, 6]);
    let parts = g.layer_multi(Split { axis: 0, ..Split::new(vec![1, 3]) }, x, 2);
    let joined = g.layer(Concat { axis: 0, name: None }, [parts[1], parts[0], x]);
    let middle = g.layer(Slice { start: 1, stop: Some(-1), ..Default::default() }, joined);
    let turned = g.layer(Permute::new(vec![1, 0]), middle);
    let flat = g.layer(Reshape::new(vec![-1, 2]), turned);
    let repeated = g.layer(Repeat::new(3), flat);
    let expected: [(Value, &[i64]); 7] = [
        (parts[0], &[1, 6]),
        (parts[1], &[3, 6]),
        (joined, &[8, 6]),
        (middle, &[8, 4]),
        (turned, &[4, 8]),
        (flat, &[16, 2]),
        (repeated, &[3, 16, 2]),
    ];
    for (value, shape) in expected {
        assert_eq!(g.shape(value).unwrap(), shape);
    }
    g.output("y", repeated);
    g.build("").unwrap();
}

#[test]
fn an_optional_input_may_be_absent_and_no_other() {
    let mut g = Graph::new();
    let x = g.input("x", DType::F32, &[4, 6]);
    let state = g.layer(LSTM::new(2), [x, Value::ABSENT]);
    g.output("y", state);
    g.build("").unwrap();
    g.layer(Concat::default(), [x, Value::ABSENT]);
    let error = g.build("").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("absent"), "{error}");
}

#[test]
fn as_many_outputs_are_asked_for_as_there_are() {
    let mut g = Graph::new();
    let x = g.input("x", DType::F32, &[4]);
    assert_eq!(g.layer_multi(Split::new(vec![1, 3]), x, 3).len(), 3);
    let error = g.build("").err().unwrap();
    assert!(error.to_string().contains("2 outputs"), "{error}");
}
