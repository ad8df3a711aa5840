/// The names that Keras and PyTorch have for what NNKit has, too. One that means exactly the same is read as NNKit's own;
/// for one that means nearly the same, or what is done in another way here, there is a sentence.
package enum ForeignNames {
  /// Options. Of the names behind one, it stands for the first that its owner has.
  package static let options = [
    "lr": ["learning_rate"],
    "beta_1": ["beta1"],
    "beta_2": ["beta2"],
    "eps": ["epsilon"],
    "global_clipnorm": ["clip_norm"],
    "metrics": ["metric"],
    "kernel_size": ["kernel", "size"],
    "pool_size": ["size"],
    "strides": ["stride"],
    "dilation_rate": ["dilation"],
    "count_include_pad": ["count_padding"],
    "use_bias": ["bias"],
    "out_channels": ["filters"],
    "out_features": ["units"],
    "hidden_size": ["units"],
    "embedding_dim": ["units"],
    "output_dim": ["units"],
    "num_embeddings": ["vocabulary"],
    "input_dim": ["vocabulary"],
    "p": ["rate"],
  ]

  /// Values of options: activations, losses, metrics, initializers.
  package static let values = [
    "swish": "silu",
    "hardswish": "hard_swish",
    "hard_silu": "hard_swish",
    "hardsigmoid": "hard_sigmoid",
    "identity": "linear",
    "mse": "mean_squared_error",
    "mse_loss": "mean_squared_error",
    "cross_entropy": "softmax_cross_entropy",
    "acc": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
  ]

  /// What to do in place of an option or a value that is not there.
  package static let advice = [
    "in_channels": sizeFollows,
    "in_features": sizeFollows,
    "input_size": sizeFollows,
    "num_features": sizeFollows,
    "input_dim": sizeFollows,
    "input_shape": "shapes are given to the model's inputs; leave it out",
    "data_format": "images are [N, H, W, C]; leave it out",
    "batch_first": "sequences are [N, T, C]; leave it out",
    "from_logits": "softmax_cross_entropy takes logits; leave it out",
    "clipnorm": "clip_norm, of the trainer (in Python of compile), limits the norm of all gradients together",
    "global_clipnorm": "clip_norm is an option of the trainer, in Python of compile",
    "betas": "there are two options, beta1 and beta2",
    "num_layers": "add a layer for each",
    "recurrent_dropout": "add a dropout layer",
    "kernel_regularizer": "weight_decay is an option of the optimizer",
    "sparse_categorical_crossentropy":
      "softmax_cross_entropy takes class numbers and logits: use it, without a softmax in front",
    "categorical_crossentropy":
      "use softmax_cross_entropy, without a softmax in front, and class numbers (the argmax of one-hot rows) as targets",
    "nll_loss": "use softmax_cross_entropy, without a log_softmax in front",
    "binary_crossentropy": twoClasses,
    "bce": twoClasses,
    "softmax": "softmax is a layer; softmax_cross_entropy needs none in front",
    "log_softmax": "log_softmax is a layer; softmax_cross_entropy needs none in front",
    "categorical_accuracy": "accuracy compares class numbers, the argmax of one-hot rows",
    "adamw": "adam has weight_decay, which is added to the gradients",
  ]

  /// Kinds of layers, in small letters. Their options may differ, so that they are named in messages and not read.
  package static let kinds = [
    "linear": "dense",
    "convolution2d": "conv2d",
    "depthwiseconv2d": "conv2d",
    "maxpooling2d": "maxpool2d",
    "averagepooling2d": "avgpool2d",
    "globalaveragepooling2d": "globalavgpool2d",
    "adaptiveavgpool2d": "globalavgpool2d",
    "batchnormalization": "batchnorm",
    "batch_normalization": "batchnorm",
    "batchnorm1d": "batchnorm",
    "batchnorm2d": "batchnorm",
    "logsoftmax": "log_softmax",
    "concatenate": "concat",
    "cat": "concat",
    "repeatvector": "repeat",
    "transpose": "permute",
    "view": "reshape",
    "mul": "multiply",
    "sub": "subtract",
    "relu": "activation",
    "leakyrelu": "activation",
    "leaky_relu": "activation",
    "elu": "activation",
    "selu": "activation",
    "gelu": "activation",
    "silu": "activation",
    "swish": "activation",
    "sigmoid": "activation",
    "tanh": "activation",
  ]

  private static let sizeFollows = "sizes of inputs follow from the layers before; leave it out"
  private static let twoClasses = "for two classes give the model 2 logits and use softmax_cross_entropy"

  /// A word as names here are written: small letters, and `_` between words.
  static func plain(_ word: some StringProtocol) -> String {
    String(word.lowercased().map { $0 == "-" ? "_" : $0 })
  }

  /// What to do in place of `word`, which is none of `own`, as a part of a sentence: advice, or the name that was
  /// meant. nil: that cannot be told.
  static func hint(_ word: some StringProtocol, meant: (String) -> String?, among own: [String]) -> String? {
    let word = plain(word.prefix(64))
    if let advice = advice[word] { return advice }
    return (meant(word) ?? nearest(word, in: own)).map { "did you mean \($0)?" }
  }

  /// `name` as one of `own`: itself, or what it stands for in `table`. nil: neither.
  static func own(_ name: String, among own: [String], _ table: [String: String]) -> String? {
    if own.contains(name) { return name }
    return table[name].flatMap { own.contains($0) ? $0 : nil }
  }

  static func own(_ name: String, among own: [String], _ table: [String: [String]]) -> String? {
    own.contains(name) ? name : table[name]?.first(where: own.contains)
  }
}
