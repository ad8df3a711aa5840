import CNNKit
import NNKit

@_cdecl("nnk_dataset_create_from_arrays") @implementation
public func nnk_dataset_create_from_arrays(
  _ inputs: UnsafePointer<nnk_tensor>!, _ n_inputs: Int32, _ targets: UnsafePointer<nnk_tensor>!, _ n_targets: Int32,
  _ out: UnsafeMutablePointer<OpaquePointer?>!
) -> nnk_status {
  status(of: "nnk_dataset_create_from_arrays") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    var views: (inputs: [TensorView], targets: [TensorView]) = ([], [])
    for tensor in try requireArray(inputs, n_inputs, "inputs") { views.inputs.append(try view(tensor, "inputs")) }
    for tensor in try requireArray(targets, n_targets, "targets") { views.targets.append(try view(tensor, "targets")) }
    out.pointee = try HandleTable.add(try Dataset(inputs: views.inputs, targets: views.targets))
  }
}

@_cdecl("nnk_dataset_destroy") @implementation
public func nnk_dataset_destroy(_ dataset: OpaquePointer!) { call { HandleTable.remove(dataset, .dataset) } }

@_cdecl("nnk_trainer_create") @implementation
public func nnk_trainer_create(
  _ model: OpaquePointer!, _ options: UnsafePointer<CChar>!, _ out: UnsafeMutablePointer<OpaquePointer?>!
) -> nnk_status {
  status(of: "nnk_trainer_create") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    out.pointee = try HandleTable.add(try Trainer(try HandleTable.get(model), options: try optionText(options)))
  }
}

@_cdecl("nnk_trainer_destroy") @implementation
public func nnk_trainer_destroy(_ trainer: OpaquePointer!) { call { HandleTable.remove(trainer, .trainer) } }

@_cdecl("nnk_trainer_set") @implementation
public func nnk_trainer_set(_ handle: OpaquePointer!, _ settings: UnsafePointer<CChar>!) -> nnk_status {
  status(of: "nnk_trainer_set") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    try trainer.set(try optionText(settings))
  }
}

@_cdecl("nnk_trainer_get") @implementation
public func nnk_trainer_get(
  _ handle: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ value: UnsafeMutablePointer<Double>!
) -> nnk_status {
  status(of: "nnk_trainer_get") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    let name = try requireText(name, "the setting's name")
    let value = try requireOutput(value, "value")
    value.pointee = try trainer.get(name)
  }
}

@_cdecl("nnk_trainer_freeze") @implementation
public func nnk_trainer_freeze(
  _ handle: OpaquePointer!, _ pattern: UnsafePointer<CChar>!, _ frozen: Int32, _ count: UnsafeMutablePointer<Int32>!
) -> nnk_status {
  status(of: "nnk_trainer_freeze") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    let pattern = try requireText(pattern, "the pattern", limit: 4096)
    let fitting = try trainer.freeze(pattern, frozen != 0)
    count?.pointee = Int32(clamping: fitting)
  }
}

@_cdecl("nnk_trainer_is_frozen") @implementation
public func nnk_trainer_is_frozen(
  _ handle: OpaquePointer!, _ name: UnsafePointer<CChar>!, _ frozen: UnsafeMutablePointer<Int32>!
) -> nnk_status {
  status(of: "nnk_trainer_is_frozen") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    let name = try requireText(name, "name")
    let frozen = try requireOutput(frozen, "frozen")
    frozen.pointee = try trainer.isFrozen(name) ? 1 : 0
  }
}

@_cdecl("nnk_trainer_fit") @implementation
public func nnk_trainer_fit(
  _ handle: OpaquePointer!, _ dataset: OpaquePointer!, _ options: UnsafePointer<CChar>!,
  _ callback: nnk_progress_callback?, _ user: UnsafeMutableRawPointer!
) -> nnk_status {
  status(of: "nnk_trainer_fit") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    let dataset: Dataset = try HandleTable.get(dataset)
    let options = try Options(try optionText(options), FitOptions.specifications, owner: "fit")
    let report = HostReport(callback, user, trainer)
    try trainer.fit(dataset, FitOptions(options)) { report.call(nnk_progress($0)) }
    if let exception = report.exception { throw exception }
  }
}

extension nnk_progress {
  fileprivate init(_ progress: Progress) {
    self.init()
    struct_bytes = UInt32(MemoryLayout<nnk_progress>.size)
    event = progress.event.rawValue
    epoch = Int32(clamping: progress.epoch)
    epochs = Int32(clamping: progress.epochs)
    step = Int64(progress.step)
    steps = Int64(progress.steps)
    loss = progress.loss
    metric = (progress.validationLoss == nil ? progress.trainMetric : progress.validationMetric) ?? .nan
    train_metric = progress.trainMetric ?? .nan
    validation_loss = progress.validationLoss ?? .nan
    seconds = progress.seconds
  }
}

@_cdecl("nnk_trainer_set_validation") @implementation
public func nnk_trainer_set_validation(_ handle: OpaquePointer!, _ dataset: OpaquePointer!) -> nnk_status {
  status(of: "nnk_trainer_set_validation") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    try trainer.setValidation(dataset == nil ? nil : try HandleTable.get(dataset))
  }
}

@_cdecl("nnk_trainer_evaluate") @implementation
public func nnk_trainer_evaluate(
  _ handle: OpaquePointer!, _ dataset: OpaquePointer!, _ options: UnsafePointer<CChar>!,
  _ loss: UnsafeMutablePointer<Double>!, _ metric: UnsafeMutablePointer<Double>!
) -> nnk_status {
  status(of: "nnk_trainer_evaluate") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    let dataset: Dataset = try HandleTable.get(dataset)
    let options = try Options(try optionText(options), [FitOptions.batchSize], owner: "evaluate")
    let result = try trainer.evaluate(dataset, batchSize: options.int("batch_size"))
    loss?.pointee = result.loss
    metric?.pointee = result.metric ?? .nan
  }
}

@_cdecl("nnk_trainer_evaluate_reporting") @implementation
public func nnk_trainer_evaluate_reporting(
  _ handle: OpaquePointer!, _ dataset: OpaquePointer!, _ options: UnsafePointer<CChar>!,
  _ loss: UnsafeMutablePointer<Double>!, _ metric: UnsafeMutablePointer<Double>!, _ callback: nnk_progress_callback?,
  _ user: UnsafeMutableRawPointer!
) -> nnk_status {
  status(of: "nnk_trainer_evaluate_reporting") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    let dataset: Dataset = try HandleTable.get(dataset)
    let options = try Options(try optionText(options), [FitOptions.batchSize], owner: "evaluate")
    let report = HostReport(callback, user, trainer)
    let result = try trainer.evaluate(dataset, batchSize: options.int("batch_size")) { report.call(nnk_progress($0)) }
    if let exception = report.exception { throw exception }
    loss?.pointee = result.loss
    metric?.pointee = result.metric ?? .nan
  }
}

@_cdecl("nnk_trainer_step") @implementation
public func nnk_trainer_step(
  _ handle: OpaquePointer!, _ inputs: UnsafePointer<nnk_tensor>!, _ n_inputs: Int32,
  _ targets: UnsafePointer<nnk_tensor>!, _ n_targets: Int32, _ loss: UnsafeMutablePointer<Double>!
) -> nnk_status {
  status(of: "nnk_trainer_step") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    let inputs = try requireArray(inputs, n_inputs, "inputs")
    let targets = try requireArray(targets, n_targets, "targets")
    let value = try trainer.step(
      inputCount: inputs.count, { (index) throws(NNKitError) in try view(inputs[index], "inputs") },
      targetCount: targets.count, { (index) throws(NNKitError) in try view(targets[index], "targets") })
    loss?.pointee = value
  }
}

@_cdecl("nnk_trainer_gradients") @implementation
public func nnk_trainer_gradients(
  _ handle: OpaquePointer!, _ inputs: UnsafePointer<nnk_tensor>!, _ n_inputs: Int32,
  _ targets: UnsafePointer<nnk_tensor>!, _ n_targets: Int32, _ loss: UnsafeMutablePointer<Double>!
) -> nnk_status {
  status(of: "nnk_trainer_gradients") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    let inputs = try requireArray(inputs, n_inputs, "inputs")
    let targets = try requireArray(targets, n_targets, "targets")
    let value = try trainer.gradients(
      inputCount: inputs.count, { (index) throws(NNKitError) in try view(inputs[index], "inputs") },
      targetCount: targets.count, { (index) throws(NNKitError) in try view(targets[index], "targets") })
    loss?.pointee = value
  }
}

@_cdecl("nnk_trainer_forward") @implementation
public func nnk_trainer_forward(
  _ handle: OpaquePointer!, _ inputs: UnsafePointer<nnk_tensor>!, _ n_inputs: Int32,
  _ outputs: UnsafeMutablePointer<nnk_tensor>!, _ n_outputs: Int32
) -> nnk_status {
  status(of: "nnk_trainer_forward") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    let inputs = try requireArray(inputs, n_inputs, "inputs")
    let outputs = try requireArray(UnsafePointer(outputs), n_outputs, "outputs")
    try trainer.forward(
      inputCount: inputs.count, { (index) throws(NNKitError) in try view(inputs[index], "inputs") },
      outputCount: outputs.count, { (index) throws(NNKitError) in try view(outputs[index], "outputs") })
  }
}

@_cdecl("nnk_trainer_backward") @implementation
public func nnk_trainer_backward(
  _ handle: OpaquePointer!, _ output_gradients: UnsafePointer<nnk_tensor>!, _ n_output_gradients: Int32,
  _ input_gradients: UnsafeMutablePointer<nnk_tensor>!, _ n_input_gradients: Int32
) -> nnk_status {
  status(of: "nnk_trainer_backward") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    let given = try requireArray(output_gradients, n_output_gradients, "output_gradients")
    let wanted = try requireArray(UnsafePointer(input_gradients), n_input_gradients, "input_gradients")
    try trainer.backward(
      outputCount: given.count, { (index) throws(NNKitError) in try optionalView(given[index], "output_gradients") },
      inputCount: wanted.count, { (index) throws(NNKitError) in try optionalView(wanted[index], "input_gradients") })
  }
}

@_cdecl("nnk_trainer_apply") @implementation
public func nnk_trainer_apply(_ handle: OpaquePointer!) -> nnk_status {
  status(of: "nnk_trainer_apply") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    try trainer.apply()
  }
}

@_cdecl("nnk_trainer_gradients_view") @implementation
public func nnk_trainer_gradients_view(_ handle: OpaquePointer!, _ out: UnsafeMutablePointer<nnk_tensor>!) -> nnk_status
{
  status(of: "nnk_trainer_gradients_view") { () throws(NNKitError) in
    let out = try requireOutput(out, "out")
    let trainer: Trainer = try HandleTable.get(handle)
    out.pointee = nnk_tensor_view(trainer.showGradients(), 1, trainer.model.flatShape, 1)
  }
}

@_cdecl("nnk_trainer_write_state") @implementation
public func nnk_trainer_write_state(
  _ handle: OpaquePointer!, _ writer: nnk_writer?, _ user: UnsafeMutableRawPointer!
) -> nnk_status {
  status(of: "nnk_trainer_write_state") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    // In the callback of a fit it is that call which the trainer is in, and which goes on.
    try trainer.writeState(try requireWriter(writer, user, trainer.isCallingBack ? nil : trainer))
  }
}

@_cdecl("nnk_trainer_read_state") @implementation
public func nnk_trainer_read_state(_ handle: OpaquePointer!, _ bytes: UnsafeRawPointer!, _ count: Int64) -> nnk_status {
  status(of: "nnk_trainer_read_state") { () throws(NNKitError) in
    let trainer: Trainer = try HandleTable.get(handle)
    try trainer.restore(try requireBytes(bytes, count))
  }
}
