"""The configurations that golden values exist for: plain tables, one row a case."""

from __future__ import annotations

# (batch, height, width, channels), options
CONVOLUTIONS: list[tuple[tuple[int, int, int, int], str]] = [
    # Kernels and odd and even maps, no padding.
    ((1, 5, 5, 1), "filters=1 kernel=3"),
    ((2, 6, 6, 1), "filters=5 kernel=3"),
    ((2, 5, 6, 3), "filters=5 kernel=3,2"),
    ((5, 6, 5, 3), "filters=16 kernel=2,3"),
    ((1, 7, 7, 4), "filters=33 kernel=3"),
    ((2, 4, 4, 16), "filters=16 kernel=3"),
    ((1, 5, 4, 17), "filters=5 kernel=2"),
    ((2, 4, 3, 33), "filters=1 kernel=3"),
    ((1, 4, 4, 33), "filters=40 kernel=3"),
    ((1, 9, 8, 1), "filters=33 kernel=5"),
    ((2, 3, 3, 4), "filters=5 kernel=3"),
    ((1, 8, 3, 3), "filters=5 kernel=7,1"),
    ((1, 3, 8, 3), "filters=5 kernel=1,7"),
    # 1x1 kernels and 1-pixel maps.
    ((2, 5, 5, 3), "filters=5 kernel=1"),
    ((5, 4, 3, 16), "filters=33 kernel=1"),
    ((1, 3, 5, 33), "filters=40 kernel=1 activation=relu"),
    ((2, 6, 5, 4), "filters=5 kernel=1 stride=2"),
    ((2, 7, 7, 17), "filters=16 kernel=1 stride=3 bias=false"),
    ((2, 1, 1, 3), "filters=5 kernel=1"),
    ((5, 1, 1, 17), "filters=16 kernel=3 padding=same"),
    ((1, 1, 7, 4), "filters=5 kernel=1,3 padding=same"),
    ((1, 7, 1, 4), "filters=5 kernel=3,1 padding=same"),
    ((1, 1, 1, 1), "filters=1 kernel=1"),
    # Same padding: odd and even kernels, strides.
    ((2, 5, 5, 1), "filters=16 kernel=3 padding=same"),
    ((2, 6, 6, 3), "filters=16 kernel=3 padding=same"),
    ((1, 6, 5, 4), "filters=33 kernel=2 padding=same"),
    ((1, 5, 6, 16), "filters=5 kernel=4,3 padding=same"),
    ((2, 7, 6, 3), "filters=5 kernel=5 padding=same"),
    ((2, 8, 8, 3), "filters=5 kernel=3 stride=2 padding=same"),
    ((2, 7, 9, 3), "filters=5 kernel=3 stride=2 padding=same"),
    ((1, 8, 7, 4), "filters=16 kernel=3,2 stride=2,1 padding=same"),
    ((1, 9, 10, 3), "filters=5 kernel=3 stride=3 padding=same"),
    ((1, 10, 8, 1), "filters=40 kernel=5,4 stride=3,2 padding=same"),
    ((5, 4, 4, 17), "filters=33 kernel=3 padding=same"),
    ((1, 4, 5, 16), "filters=40 kernel=3 padding=same bias=false"),
    ((1, 2, 2, 3), "filters=5 kernel=5 padding=same"),
    # Strides without padding, larger than the kernel too.
    ((2, 7, 7, 3), "filters=5 kernel=3 stride=2"),
    ((2, 8, 7, 3), "filters=16 kernel=3 stride=2,3"),
    ((1, 8, 9, 16), "filters=16 kernel=2 stride=2"),
    ((1, 9, 9, 4), "filters=5 kernel=2 stride=3"),
    ((1, 8, 8, 17), "filters=5 kernel=1,2 stride=3"),
    ((1, 10, 9, 1), "filters=5 kernel=2 stride=3 padding=same"),
    # Explicit padding, symmetric and not, beyond the kernel too.
    ((2, 5, 5, 3), "filters=5 kernel=3 padding=1"),
    ((2, 4, 5, 4), "filters=16 kernel=3 padding=2"),
    ((1, 5, 4, 3), "filters=5 kernel=3 padding=1,2"),
    ((1, 5, 5, 3), "filters=5 kernel=3 padding=2,0,1,3"),
    ((2, 6, 4, 1), "filters=16 kernel=3 padding=0,1,2,0 stride=2"),
    ((1, 4, 6, 16), "filters=33 kernel=2,3 padding=1,0,0,2 stride=1,2"),
    ((1, 3, 3, 3), "filters=5 kernel=2 padding=3"),
    ((1, 2, 3, 17), "filters=16 kernel=3 padding=4,1,0,2"),
    ((2, 6, 6, 3), "filters=5 kernel=3 stride=3 padding=1,0,0,1"),
    # Dilation.
    ((1, 7, 7, 3), "filters=5 kernel=3 dilation=2"),
    ((2, 8, 7, 3), "filters=16 kernel=3,2 dilation=2,3"),
    ((1, 6, 6, 4), "filters=5 kernel=3 dilation=2 padding=same"),
    ((1, 9, 8, 1), "filters=5 kernel=2 dilation=3 stride=2 padding=same"),
    ((1, 5, 6, 17), "filters=33 kernel=3 dilation=2 padding=2 bias=false"),
    ((1, 6, 7, 16), "filters=5 kernel=2,3 dilation=3,1 stride=2 padding=1,2,0,1"),
    # Fused activations.
    ((2, 5, 5, 3), "filters=5 kernel=3 padding=same activation=relu"),
    ((1, 5, 5, 17), "filters=16 kernel=3 activation=relu bias=false"),
    ((2, 4, 4, 3), "filters=33 kernel=2 activation=leaky_relu"),
    ((1, 4, 5, 3), "filters=5 kernel=3 padding=same activation=elu"),
    ((1, 4, 5, 4), "filters=5 kernel=3 padding=same activation=selu"),
    ((2, 4, 4, 3), "filters=16 kernel=3 padding=same activation=gelu"),
    ((1, 5, 4, 16), "filters=5 kernel=2 activation=silu"),
    ((1, 5, 5, 3), "filters=5 kernel=3 stride=2 activation=sigmoid"),
    ((2, 4, 5, 1), "filters=16 kernel=3 padding=1 activation=tanh"),
    ((1, 4, 4, 3), "filters=5 kernel=3 dilation=1 padding=same activation=softplus"),
    ((1, 4, 4, 3), "filters=5 kernel=3 padding=same activation=hard_sigmoid"),
    ((2, 4, 4, 4), "filters=40 kernel=1 activation=hard_swish"),
]

# Depthwise, and with groups.
GROUPED_CONVOLUTIONS: list[tuple[tuple[int, int, int, int], str]] = [
    # Depthwise: sizes of the kernel, channels around a vector, borders.
    ((2, 6, 7, 3), "filters=3 groups=3 kernel=3 padding=same"),
    ((2, 5, 6, 16), "filters=16 groups=16 kernel=3"),
    ((1, 9, 12, 19), "filters=19 groups=19 kernel=3 padding=1 activation=relu"),
    ((1, 4, 5, 40), "filters=40 groups=40 kernel=2,3 padding=same bias=false"),
    ((1, 10, 9, 17), "filters=17 groups=17 kernel=5 padding=same activation=tanh"),
    ((2, 5, 5, 5), "filters=5 groups=5 kernel=1 bias=false"),
    ((1, 3, 2, 4), "filters=4 groups=4 kernel=7 padding=same"),
    ((2, 1, 1, 18), "filters=18 groups=18 kernel=3 padding=same"),
    # Strides, also larger than the kernel.
    ((1, 9, 8, 16), "filters=16 groups=16 kernel=3 stride=2 padding=same"),
    ((2, 9, 9, 7), "filters=7 groups=7 kernel=3 stride=2 padding=1 activation=silu"),
    ((1, 11, 10, 20), "filters=20 groups=20 kernel=5 stride=2 padding=2"),
    ((1, 10, 11, 6), "filters=6 groups=6 kernel=3,2 stride=1,3 padding=0,1,2,0"),
    ((2, 8, 9, 4), "filters=4 groups=4 kernel=2 stride=3"),
    # Dilation.
    ((1, 9, 9, 33), "filters=33 groups=33 kernel=3 dilation=2 padding=2 activation=relu"),
    ((1, 8, 11, 4), "filters=4 groups=4 kernel=3,2 dilation=2,3 stride=2,1 padding=same"),
    ((1, 10, 10, 16), "filters=16 groups=16 kernel=3 dilation=3 stride=2 padding=3"),
    # Several filters a channel.
    ((2, 5, 6, 3), "filters=6 groups=3 kernel=3 padding=same activation=relu"),
    ((1, 7, 6, 9), "filters=36 groups=9 kernel=3 stride=2 padding=1"),
    ((1, 6, 6, 17), "filters=34 groups=17 kernel=3 dilation=2 activation=gelu"),
    # Fewer groups than channels.
    ((2, 5, 6, 4), "filters=6 groups=2 kernel=3 padding=same"),
    ((1, 6, 5, 32), "filters=32 groups=8 kernel=3 padding=1 activation=relu"),
    ((1, 7, 7, 12), "filters=8 groups=4 kernel=3 stride=2 padding=same bias=false"),
    ((2, 5, 4, 6), "filters=15 groups=3 kernel=1"),
    ((2, 4, 5, 34), "filters=66 groups=2 kernel=3 padding=same activation=relu"),
    ((1, 6, 7, 36), "filters=54 groups=2 kernel=2,3 dilation=2 padding=1,2,0,1"),
    ((1, 5, 6, 34), "filters=40 groups=2 kernel=1 stride=2"),
    ((2, 4, 3, 60), "filters=102 groups=3 kernel=1 activation=elu"),
    ((1, 9, 8, 51), "filters=48 groups=3 kernel=3 stride=2,3 padding=1"),
]

# (batch, height, width, channels), options; each for the maximum and for the mean.
POOLINGS: list[tuple[tuple[int, int, int, int], str]] = [
    ((2, 6, 6, 3), ""),
    ((1, 5, 7, 1), "size=2"),
    ((2, 7, 6, 4), "size=3"),
    ((1, 6, 5, 17), "size=3 stride=1"),
    ((2, 7, 7, 16), "size=3 stride=2"),
    ((1, 8, 7, 33), "size=3,2 stride=2,1"),
    ((1, 9, 9, 3), "size=2 stride=3"),
    ((2, 5, 6, 3), "size=2 padding=same"),
    ((1, 5, 5, 17), "size=3 stride=1 padding=same"),
    ((2, 6, 7, 4), "size=3 stride=2 padding=same"),
    ((1, 7, 5, 3), "size=4,3 stride=3,2 padding=same"),
    ((1, 5, 6, 3), "size=3 stride=2 padding=1"),
    ((2, 4, 5, 16), "size=3,4 stride=1 padding=1,2"),
    ((1, 6, 5, 5), "size=3 stride=2 padding=2,0,1,2"),
    ((5, 1, 1, 3), "size=1"),
    ((1, 4, 4, 40), "size=4"),
    ((1, 1, 9, 4), "size=1,3 stride=1,2 padding=same"),
]

# The mean over windows in which padding counts.
COUNTED_AVERAGES: list[tuple[tuple[int, int, int, int], str]] = [
    ((2, 5, 6, 3), "size=2 padding=same count_padding=true"),
    ((1, 5, 5, 17), "size=3 stride=1 padding=1 count_padding=true"),
    ((1, 6, 5, 4), "size=3 stride=2 padding=2,0,1,2 count_padding=true"),
]

# Input shape, options.
DENSE: list[tuple[tuple[int, ...], str]] = [
    ((1, 1), "units=1"),
    ((2, 3), "units=5"),
    ((5, 17), "units=33"),
    ((1, 33), "units=40"),
    ((2, 64), "units=10 bias=false"),
    ((5, 4), "units=1"),
    ((17, 16), "units=16"),
    ((2, 7, 5), "units=3"),
    ((1, 1, 33), "units=16 bias=false"),
    ((5, 3, 4), "units=17"),
    ((5, 16), "units=33 activation=relu"),
    ((2, 5), "units=16 activation=leaky_relu"),
    ((2, 5), "units=16 activation=elu"),
    ((2, 5), "units=17 activation=selu"),
    ((2, 5), "units=17 activation=gelu"),
    ((2, 5), "units=16 activation=silu bias=false"),
    ((2, 5), "units=16 activation=sigmoid"),
    ((2, 3, 5), "units=16 activation=tanh"),
    ((2, 5), "units=5 activation=softplus"),
    ((2, 5), "units=33 activation=hard_sigmoid"),
    ((2, 5), "units=33 activation=hard_swish"),
]

# Kind, input shape, options.
ELEMENTWISE: list[tuple[str, tuple[int, ...], str]] = [
    ("activation", (2, 33), "function=relu"),
    ("activation", (2, 5, 7), "function=leaky_relu"),
    ("activation", (1, 101), "function=elu"),
    ("activation", (3, 37), "function=selu"),
    ("activation", (2, 3, 4, 5), "function=gelu"),
    ("activation", (2, 53), "function=silu"),
    ("activation", (1, 97), "function=sigmoid"),
    ("activation", (5, 17), "function=tanh"),
    ("activation", (2, 7, 7), "function=softplus"),
    ("activation", (2, 61), "function=hard_sigmoid"),
    ("activation", (3, 31), "function=hard_swish"),
    ("softmax", (2, 5), ""),
    ("softmax", (1, 2), ""),
    ("softmax", (5, 33), ""),
    ("softmax", (2, 3, 17), ""),
    ("log_softmax", (2, 5), ""),
    ("log_softmax", (3, 16), ""),
    ("log_softmax", (2, 3, 33), ""),
    ("dropout", (2, 19), "rate=0"),
    ("dropout", (2, 3, 3, 5), "rate=0"),
    ("flatten", (2, 3, 4, 5), ""),
    ("flatten", (1, 7, 3), ""),
    ("flatten", (5, 4), ""),
]

# Input shape, options.
# kind, shapes of the inputs, options. Axes are counted without the batch.
SHAPES: list[tuple[str, list[tuple[int, ...]], str]] = [
    ("concat", [(2, 5)], ""),
    ("concat", [(2, 5), (2, 3)], ""),
    ("concat", [(3, 4, 5, 16), (3, 4, 5, 33)], "axis=-1"),
    ("concat", [(2, 3, 4), (2, 1, 4), (2, 6, 4)], "axis=0"),
    ("concat", [(2, 3, 4, 5), (2, 3, 2, 5)], "axis=1"),
    ("concat", [(1, 2, 3, 4, 5), (1, 2, 3, 1, 5)], "axis=-2"),
    ("split", [(2, 7)], "sizes=7"),
    ("split", [(2, 7)], "sizes=1,4,2"),
    ("split", [(3, 4, 5, 49)], "sizes=16,33"),
    ("split", [(2, 6, 4)], "sizes=2,2,2 axis=0"),
    ("split", [(2, 3, 6, 5)], "sizes=5,1 axis=1"),
    ("slice", [(2, 7)], ""),
    ("slice", [(2, 7)], "start=2"),
    ("slice", [(2, 7, 19)], "start=1 stop=18"),
    ("slice", [(3, 7, 4)], "stop=-2 axis=0"),
    ("slice", [(2, 4, 9, 3)], "start=-5 stop=-1 axis=1"),
    ("permute", [(2, 5)], "axes=0"),
    ("permute", [(2, 5, 7)], "axes=1,0"),
    ("permute", [(3, 17, 33)], "axes=1,0"),
    ("permute", [(2, 5, 6, 18)], "axes=2,0,1"),
    ("permute", [(2, 18, 5, 6)], "axes=1,2,0"),
    ("permute", [(2, 3, 4, 5)], "axes=1,0,2"),
    ("permute", [(1, 2, 3, 4, 5)], "axes=-1,1,0,-2"),
    ("reshape", [(2, 12)], "shape=3,4"),
    ("reshape", [(2, 3, 4)], "shape=-1"),
    ("reshape", [(3, 4, 6)], "shape=4,-1,3"),
    *(
        (kind, sizes, "")
        for kind in ("multiply", "subtract")
        for sizes in [
            [(2, 5), (2, 5)],
            [(3, 4, 5, 17), (3, 4, 5, 17)],
            [(2, 3, 4, 5), (2, 5)],
            [(2, 33), (2, 6, 33)],
            [(2, 3, 4, 5), (2, 3, 1, 1)],
            [(2, 3, 1, 5), (2, 1, 4, 1)],
            [(2, 7, 1), (2, 7, 19)],
            [(2, 1), (2, 5, 3)],
        ]
    ),
    ("repeat", [(2, 5)], "count=3"),
    ("repeat", [(3, 2, 33)], "count=1"),
    ("repeat", [(2, 3, 4)], "count=40"),
]

ADDITIONS: list[tuple[tuple[int, ...], str]] = [
    ((2, 5), ""),
    ((1, 1), ""),
    ((3, 4, 5, 7), ""),
    ((2, 3, 33), "activation=relu"),
    ((5, 17), "activation=tanh"),
    ((2, 3, 16), "activation=gelu"),
]

# (batch, height, width, channels); for the mean of all pixels.
GLOBAL_POOLINGS: list[tuple[int, int, int, int]] = [
    (1, 1, 1, 1),
    (2, 3, 4, 5),
    (5, 7, 7, 17),
    (2, 1, 9, 16),
    (1, 8, 9, 33),
]

# Input shape, options.
BATCH_NORMS: list[tuple[tuple[int, ...], str]] = [
    ((5, 3), ""),
    ((7, 1), "momentum=0"),
    ((33, 17), "momentum=0.99"),
    ((3, 4, 5, 7), "epsilon=1e-3"),
    ((2, 5, 5, 16), "momentum=1"),
    ((2, 7, 33), "momentum=0.5 epsilon=0.1"),
    ((5, 9, 9, 5), ""),
    ((3, 5, 4, 33), "activation=relu"),
    ((40, 64), "activation=relu"),
    ((3, 4, 3, 5), "activation=leaky_relu"),
    ((9, 17), "activation=gelu"),
    ((2, 6, 16), "activation=tanh"),
    ((4, 5, 33), "activation=hard_swish"),
    ((5, 16), "activation=softplus"),
]

# Input shape, options.
EMBEDDINGS: list[tuple[tuple[int, ...], str]] = [
    ((2, 5), "vocabulary=7 units=3"),
    ((1, 1), "vocabulary=1 units=1"),
    ((5, 4), "vocabulary=40 units=16"),
    ((5,), "vocabulary=11 units=33"),
    ((2, 17), "vocabulary=5 units=17"),
    ((1, 33), "vocabulary=96 units=5"),
]

# (batch, time, features), options, lengths (None: all sequences are whole).
LSTMS: list[tuple[tuple[int, int, int], str, list[int] | None]] = [
    ((1, 1, 1), "units=1", None),
    ((2, 1, 3), "units=5", None),
    ((5, 1, 17), "units=16 return_sequences=true", None),
    ((1, 5, 3), "units=4", None),
    ((2, 7, 3), "units=5 return_sequences=true", None),
    ((5, 4, 4), "units=16", None),
    ((5, 6, 1), "units=17 return_sequences=true", None),
    ((2, 9, 16), "units=33", None),
    ((1, 6, 33), "units=8 return_sequences=true", None),
    ((1, 12, 2), "units=40 return_sequences=true", None),
    ((17, 3, 5), "units=7 return_sequences=true", None),
    ((33, 2, 3), "units=5", None),
    ((2, 5, 3), "units=5 bias=false", None),
    ((5, 5, 4), "units=16 return_sequences=true bias=false", None),
    ((2, 30, 3), "units=8 return_sequences=true", None),
    ((2, 5, 3), "units=5", [5, 2]),
    ((2, 5, 3), "units=5 return_sequences=true", [1, 5]),
    ((5, 6, 4), "units=16", [6, 1, 3, 6, 2]),
    ((5, 6, 4), "units=17 return_sequences=true", [2, 4, 1, 6, 3]),
    ((1, 7, 3), "units=5", [4]),
    ((1, 7, 3), "units=33 return_sequences=true", [1]),
    ((5, 4, 17), "units=8 return_sequences=true", [1, 1, 1, 1, 1]),
    ((5, 4, 3), "units=4", [4, 4, 4, 4, 4]),
    ((17, 5, 2), "units=6 return_sequences=true", [1 + i % 5 for i in range(17)]),
    ((2, 5, 3), "units=5 bias=false", [3, 4]),
    ((5, 8, 1), "units=9 return_sequences=true bias=false", [8, 7, 5, 2, 1]),
    ((2, 1, 4), "units=5 return_sequences=true", [1, 1]),
]

# (batch, time, features), options, lengths (None: all sequences are whole); each with and without reset_after.
GRUS: list[tuple[tuple[int, int, int], str, list[int] | None]] = [
    ((1, 1, 1), "units=1", None),
    ((5, 1, 17), "units=16 return_sequences=true", None),
    ((1, 5, 3), "units=4", None),
    ((2, 7, 3), "units=5 return_sequences=true", None),
    ((2, 9, 16), "units=33", None),
    ((1, 12, 2), "units=40 return_sequences=true", None),
    ((17, 3, 5), "units=7 return_sequences=true", None),
    ((5, 5, 4), "units=16 return_sequences=true bias=false", None),
    ((2, 30, 3), "units=8 return_sequences=true", None),
    ((33, 9, 3), "units=5", None),
    ((2, 5, 3), "units=5", [5, 2]),
    ((5, 6, 4), "units=17 return_sequences=true", [2, 4, 1, 6, 3]),
    ((1, 7, 3), "units=33 return_sequences=true", [1]),
    ((17, 5, 2), "units=6 return_sequences=true", [1 + i % 5 for i in range(17)]),
    ((2, 5, 3), "units=5 bias=false", [3, 4]),
    # So many time steps that the gradients of the weights are summed in chunks.
    ((40, 16, 2), "units=5 return_sequences=true", None),
    ((40, 16, 2), "units=5 return_sequences=true", [1 + i % 16 for i in range(40)]),
]

# Loss, shape of the prediction.
LOSSES: list[tuple[str, tuple[int, ...]]] = [
    ("softmax_cross_entropy", (1, 2)),
    ("softmax_cross_entropy", (5, 10)),
    ("softmax_cross_entropy", (17, 33)),
    ("softmax_cross_entropy", (2, 7, 5)),
    ("softmax_cross_entropy", (5, 3, 17)),
    ("mean_squared_error", (1, 1)),
    ("mean_squared_error", (5, 3)),
    ("mean_squared_error", (2, 7, 5)),
    ("mean_squared_error", (17, 33)),
]

# Options of the trainer, beside its loss.
OPTIMIZERS: list[str] = [
    "optimizer=sgd learning_rate=0.1",
    "optimizer=sgd learning_rate=0.05 momentum=0.9",
    "optimizer=sgd learning_rate=0.05 momentum=0.9 nesterov=true",
    "optimizer=sgd learning_rate=0.1 weight_decay=0.01",
    "optimizer=sgd learning_rate=0.05 momentum=0.8 weight_decay=0.02",
    "optimizer=sgd learning_rate=0.05 momentum=0.8 nesterov=true weight_decay=0.02",
    "optimizer=sgd learning_rate=0.1 clip_norm=0.5",
    "optimizer=sgd learning_rate=0.1 momentum=0.9 weight_decay=0.01 clip_norm=1000",
    "optimizer=adam learning_rate=1e-3",
    "optimizer=adam learning_rate=1e-2 beta1=0.8",
    "optimizer=adam learning_rate=1e-2 beta1=0.5 beta2=0.9",
    "optimizer=adam learning_rate=1e-2 epsilon=1e-3",
    "optimizer=adam learning_rate=1e-2 weight_decay=0.05",
    "optimizer=adam learning_rate=1e-2 beta1=0.8 clip_norm=0.5",
    "optimizer=adam learning_rate=1e-2 beta2=0.99 weight_decay=0.01 clip_norm=2",
]

# Whole networks: inputs by name (data type, shape with the batch), layers (kind, options, the names of their
# inputs), loss. The last layer is the output.
NETWORKS: list[dict] = [
    {
        "title": "cnn",
        "inputs": {"image": ("float32", (3, 9, 9, 2))},
        "layers": [
            ("conv2d", "name=conv_a filters=6 kernel=3 padding=same activation=relu", ["image"]),
            ("maxpool2d", "name=pool size=2", ["conv_a"]),
            ("conv2d", "name=conv_b filters=8 kernel=3 stride=2 padding=1 activation=tanh", ["pool"]),
            ("flatten", "name=flat", ["conv_b"]),
            ("dense", "name=hidden units=16 activation=relu", ["flat"]),
            ("dense", "name=logits units=10", ["hidden"]),
        ],
        "loss": "softmax_cross_entropy",
    },
    {
        "title": "cnn_average",
        "inputs": {"image": ("float32", (2, 8, 7, 3))},
        "layers": [
            ("conv2d", "name=conv_a filters=17 kernel=3,2 bias=false", ["image"]),
            ("activation", "name=act function=gelu", ["conv_a"]),
            ("avgpool2d", "name=pool size=3 stride=2 padding=same", ["act"]),
            ("conv2d", "name=conv_b filters=5 kernel=1 activation=silu", ["pool"]),
            ("flatten", "name=flat", ["conv_b"]),
            ("dense", "name=result units=4", ["flat"]),
        ],
        "loss": "mean_squared_error",
    },
    {
        "title": "character_lstm",
        "inputs": {"tokens": ("int32", (3, 6))},
        "layers": [
            ("embedding", "name=embedding vocabulary=13 units=8", ["tokens"]),
            ("lstm", "name=lstm_a units=12 return_sequences=true", ["embedding"]),
            ("lstm", "name=lstm_b units=9 return_sequences=true", ["lstm_a"]),
            ("dense", "name=logits units=13", ["lstm_b"]),
        ],
        "loss": "softmax_cross_entropy",
    },
    {
        "title": "lstm_lengths",
        "inputs": {"x": ("float32", (5, 7, 3)), "lengths": ("int32", (5,))},
        "layers": [
            ("lstm", "name=lstm_a units=8 return_sequences=true", ["x", "lengths"]),
            ("lstm", "name=lstm_b units=6", ["lstm_a", "lengths"]),
            ("dense", "name=result units=2", ["lstm_b"]),
        ],
        "loss": "mean_squared_error",
    },
]

# As NETWORKS, with the layers of residual networks.
RESIDUAL_NETWORKS: list[dict] = [
    {
        "title": "residual_cnn",
        "inputs": {"image": ("float32", (4, 8, 8, 3))},
        "layers": [
            ("conv2d", "name=stem filters=8 kernel=3 padding=same bias=false", ["image"]),
            ("batchnorm", "name=stem_norm activation=relu", ["stem"]),
            ("conv2d", "name=conv_a filters=12 kernel=3 stride=2 padding=same bias=false", ["stem_norm"]),
            ("batchnorm", "name=norm_a", ["conv_a"]),
            ("activation", "name=relu_a function=relu", ["norm_a"]),
            ("conv2d", "name=conv_b filters=12 kernel=3 padding=same bias=false", ["relu_a"]),
            ("batchnorm", "name=norm_b", ["conv_b"]),
            ("conv2d", "name=shortcut filters=12 kernel=1 stride=2 padding=same bias=false", ["stem_norm"]),
            ("add", "name=sum activation=relu", ["norm_b", "shortcut"]),
            ("add", "name=doubled", ["sum", "sum"]),
            ("globalavgpool2d", "name=mean", ["doubled"]),
            ("dense", "name=logits units=10", ["mean"]),
        ],
        "loss": "softmax_cross_entropy",
    },
    {
        "title": "normalized_dense",
        "inputs": {"x": ("float32", (9, 7))},
        "layers": [
            ("batchnorm", "name=norm_x activation=tanh", ["x"]),
            ("dense", "name=hidden units=16 bias=false", ["norm_x"]),
            ("batchnorm", "name=norm_hidden momentum=0.7", ["hidden"]),
            ("activation", "name=act function=silu", ["norm_hidden"]),
            ("dense", "name=result units=3", ["act"]),
        ],
        "loss": "mean_squared_error",
    },
]

# As NETWORKS, with gated recurrent units.
GRU_NETWORKS: list[dict] = [
    {
        "title": "character_gru",
        "inputs": {"tokens": ("int32", (3, 6))},
        "layers": [
            ("embedding", "name=embedding vocabulary=13 units=8", ["tokens"]),
            ("gru", "name=gru_a units=12 return_sequences=true", ["embedding"]),
            ("gru", "name=gru_b units=9 return_sequences=true reset_after=true", ["gru_a"]),
            ("dense", "name=logits units=13", ["gru_b"]),
        ],
        "loss": "softmax_cross_entropy",
    },
    {
        "title": "gru_lengths",
        "inputs": {"x": ("float32", (5, 7, 3)), "lengths": ("int32", (5,))},
        "layers": [
            ("gru", "name=gru_a units=8 return_sequences=true reset_after=true", ["x", "lengths"]),
            ("gru", "name=gru_b units=6", ["gru_a", "lengths"]),
            ("dense", "name=result units=2", ["gru_b"]),
        ],
        "loss": "mean_squared_error",
    },
]

# As NETWORKS: a recurrent layer that reads an embedding, with fewer indices than time steps and with more.
EMBEDDED_NETWORKS: list[dict] = [
    {
        "title": f"{kind}_{title}",
        "inputs": {"x": ("int32", shape), "lengths": ("int32", shape[:1])},
        "layers": [
            ("embedding", f"name=embedding vocabulary={vocabulary} units=7", ["x"]),
            (kind, f"name=first units={units} return_sequences={sequences}", ["embedding", *lengths]),
            ("dense", "name=result units=3", ["first"]),
        ],
        "loss": "mean_squared_error",
    }
    for kind in ("lstm", "gru")
    for title, shape, vocabulary, units, sequences, lengths in [
        ("of_a_few_rows", (5, 9), 6, 37, "true", []),
        ("of_a_few_rows_with_lengths", (6, 8), 11, 20, "false", ["lengths"]),
        ("of_all_states_with_lengths", (9, 6), 4, 33, "true", ["lengths"]),
        ("of_many_rows_with_lengths", (4, 5), 50, 16, "true", ["lengths"]),
    ]
]
for network in EMBEDDED_NETWORKS:
    if len(network["layers"][1][2]) == 1:
        del network["inputs"]["lengths"]
    elif "return_sequences=true" in network["layers"][1][1]:
        network["real"] = ["first", "result"]

_SEQUENCES = {"x": ("float32", (6, 8, 4)), "lengths": ("int32", (6,))}
_TOKENS = {"x": ("int32", (6, 8)), "lengths": ("int32", (6,))}


def _sequence_network(
    title: str, loss: str, real: str, *layers: tuple[str, str, str], inputs: dict = _SEQUENCES
) -> dict:
    """`real`: the values of which only the steps before the lengths are data; a recurrent layer behind one has them."""
    return {
        "title": title,
        "inputs": inputs,
        "layers": [(kind, options, names.split()) for kind, options, names in layers],
        "loss": loss,
        "real": real.split(),
    }


SEQUENCE_NETWORKS: list[dict] = [
    _sequence_network(
        f"of_{kind}s_{title}",
        loss,
        real,
        *((k.replace("recurrent", kind), o, i) for k, o, i in layers),
        inputs=_TOKENS if layers[0][0] == "embedding" else _SEQUENCES,
    )
    for kind in ("lstm", "gru")
    for title, loss, real, *layers in [
        (
            "with_a_head",
            "mean_squared_error",
            "first result",
            ("recurrent", "name=first units=7 return_sequences=true", "x lengths"),
            ("dense", "name=result units=3", "first"),
        ),
        (
            "with_a_norm_behind",
            "softmax_cross_entropy",
            "first norm result",
            ("recurrent", "name=first units=7 return_sequences=true", "x lengths"),
            ("batchnorm", "name=norm activation=tanh", "first"),
            ("dense", "name=result units=5", "norm"),
        ),
        (
            "with_a_norm_in_front",
            "mean_squared_error",
            "norm wide first result",
            ("batchnorm", "name=norm", "x"),
            ("dense", "name=wide units=6 activation=tanh", "norm"),
            ("recurrent", "name=first units=7 return_sequences=true", "wide lengths"),
            ("dense", "name=result units=3", "first"),
        ),
        (
            "stacked",
            "softmax_cross_entropy",
            "first between second result probabilities",
            ("recurrent", "name=first units=9 return_sequences=true", "x lengths"),
            ("dense", "name=between units=6 activation=gelu", "first"),
            ("gru", "name=second units=5 return_sequences=true", "between"),
            ("dense", "name=result units=4", "second"),
            ("log_softmax", "name=probabilities", "result"),
        ),
        (
            "to_a_last_state",
            "mean_squared_error",
            "first norm",
            ("recurrent", "name=first units=9 return_sequences=true", "x lengths"),
            ("batchnorm", "name=norm", "first"),
            ("lstm", "name=second units=5", "norm"),
            ("dense", "name=result units=2", "second"),
        ),
        (
            "beside_a_dense_layer",
            "mean_squared_error",
            "first sum smooth result",
            ("recurrent", "name=first units=7 return_sequences=true", "x lengths"),
            ("dense", "name=side units=7", "x"),
            ("add", "name=sum activation=tanh", "first side"),
            ("activation", "name=smooth function=silu", "sum"),
            ("dense", "name=result units=3", "smooth"),
        ),
        (
            "flattened",
            "mean_squared_error",
            "first steps",
            ("recurrent", "name=first units=7 return_sequences=true", "x lengths"),
            ("dense", "name=steps units=3 activation=sigmoid", "first"),
            ("flatten", "name=flat", "steps"),
            ("dense", "name=result units=2", "flat"),
        ),
        (
            "of_words",
            "softmax_cross_entropy",
            "words wide norm first result",
            ("embedding", "name=words vocabulary=9 units=5", "x"),
            ("dense", "name=wide units=6 activation=tanh", "words"),
            ("batchnorm", "name=norm", "wide"),
            ("recurrent", "name=first units=7 return_sequences=true", "norm lengths"),
            ("dense", "name=result units=9", "first"),
        ),
    ]
]
