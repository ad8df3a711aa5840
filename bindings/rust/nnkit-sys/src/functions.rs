//! The functions of the header, with its comments.
//!
//! Made from include/nnkit.h by `python3 bindings/rust/generator`.

use crate::types::*;
use std::os::raw::{c_char, c_void};

functions! {
    /// The library's version, "major.minor.patch". Stays until the process ends.
    fn nnk_version() -> *const c_char;

    /// `NNK_ABI_VERSION` of the loaded library. A program compiled against version n runs with any library whose ABI
    /// version is at least n.
    fn nnk_abi_version() -> u32;

    /// The name of a status code, such as "NNK_ERROR_SHAPE"; "unknown status" for any other number. Stays until the
    /// process ends.
    fn nnk_status_name(status: nnk_status) -> *const c_char;

    /// What went wrong in the last failed call of this thread: what, where, what was expected, what to do. "" when no
    /// call of this thread has failed. Stays until the next failing call of this thread.
    fn nnk_last_error() -> *const c_char;

    /// A dense view of `data` with `rank` sizes. Keeps the pointers `data` and `shape`: both must stay valid as long as
    /// the view is used. Cannot fail; what is wrong with a view is reported by the function it is given to.
    fn nnk_tensor_view(data: *mut c_void, dtype: nnk_dtype, shape: *const i64, rank: i32) -> nnk_tensor;

    /// Creates a runtime. Options: threads=0 (0: the processors that this process may use, seen through affinity and
    /// the cgroup's quota; 1 starts no thread).
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, OUT_OF_MEMORY, UNSUPPORTED (NNKIT_ISA names a level that is not there).
    fn nnk_runtime_create(options: *const c_char, out: *mut *mut nnk_runtime) -> nnk_status;

    /// Gives the runtime back. Its threads end when the last object that uses it is gone.
    fn nnk_runtime_destroy(runtime: *mut nnk_runtime);

    /// What the runtime (NULL: the default) runs on, as JSON: {"isa":"avx512","threads":2,"version":"0.1.0"}. Writes
    /// the string's address to \*out. It stays until the next call of this function in this thread.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY, UNSUPPORTED (as `nnk_runtime_create`, for
    /// the default runtime).
    fn nnk_runtime_info_json(runtime: *mut nnk_runtime, out: *mut *const c_char) -> nnk_status;

    /// Ends the default runtime's worker threads, waiting until they are gone. They start again when needed: NNKit
    /// stays usable. Safe at any time; a running call is finished first.
    fn nnk_shutdown();

    /// Every layer, loss, optimizer and metric, and the options of every function that takes options, each with type,
    /// range, default and one line of documentation, as JSON. NULL if memory cannot be had; else it stays until the
    /// process ends.
    fn nnk_catalog_json() -> *const c_char;

    /// An empty graph; NULL if memory cannot be had.
    fn nnk_graph_create() -> *mut nnk_graph;

    /// Gives the handle back. NULL does nothing, and any order is fine.
    fn nnk_graph_destroy(graph: *mut nnk_graph);

    /// Adds an input. `shape` has `rank` sizes without the batch; a size of -1 is a time dimension left open. Data for
    /// it is \[N, shape...\]. dtype: `NNK_FLOAT32` or `NNK_INT32`. Gives the value, or -1 where this or an earlier call
    /// on the graph failed.
    fn nnk_graph_input(
        graph: *mut nnk_graph,
        name: *const c_char,
        dtype: nnk_dtype,
        shape: *const i64,
        rank: i32,
    ) -> nnk_value;

    /// Adds a layer with one input and one output. `kind` and `options` as `nnk_catalog_json()` lists them; every layer
    /// takes name=... too. Gives the value, or -1 where this or an earlier call on the graph failed.
    fn nnk_graph_layer(
        graph: *mut nnk_graph,
        kind: *const c_char,
        options: *const c_char,
        input: nnk_value,
    ) -> nnk_value;

    /// Adds a layer with `n_inputs` inputs and `n_outputs` outputs and writes the outputs to `outputs`; the catalog
    /// says what each is and its "count": "one"; "optional", which may be `NNK_ABSENT`, or left out at the end; "many",
    /// one or more; or the name of an option, whose list has as many numbers.
    ///
    /// Returns: `NNK_OK`, INVALID_HANDLE, or the graph's first error: INVALID_ARGUMENT, SHAPE, TYPE, OUT_OF_MEMORY.
    fn nnk_graph_layer_multi(
        graph: *mut nnk_graph,
        kind: *const c_char,
        options: *const c_char,
        inputs: *const nnk_value,
        n_inputs: i32,
        outputs: *mut nnk_value,
        n_outputs: i32,
    ) -> nnk_status;

    /// Declares `value` an output of the model, which may have 4096 of them, and as many inputs. Outputs are given to
    /// the caller in the order of these calls.
    ///
    /// Returns: `NNK_OK`, INVALID_HANDLE, or the graph's first error: INVALID_ARGUMENT, SHAPE, TYPE, OUT_OF_MEMORY.
    fn nnk_graph_output(graph: *mut nnk_graph, name: *const c_char, value: nnk_value) -> nnk_status;

    /// The shape of a value without the batch, open dimensions as -1. \*rank: in, how many sizes `shape` can take; out,
    /// how many there are.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (no such value, too little room), INVALID_HANDLE, or the graph's first
    /// error: INVALID_ARGUMENT, SHAPE, TYPE, OUT_OF_MEMORY.
    fn nnk_graph_shape(graph: *mut nnk_graph, value: nnk_value, shape: *mut i64, rank: *mut i32) -> nnk_status;

    /// Makes a model of the graph and initialises its parameters. The graph is copied: it may be destroyed or extended
    /// afterwards. Options: seed=0.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (also for a graph without inputs or outputs), INVALID_HANDLE, SHAPE (also
    /// for too many parameters), TYPE, OUT_OF_MEMORY, UNSUPPORTED (as `nnk_runtime_create`, for the default runtime).
    /// The graph's first error is one of these.
    fn nnk_model_create(
        runtime: *mut nnk_runtime,
        graph: *mut nnk_graph,
        options: *const c_char,
        out: *mut *mut nnk_model,
    ) -> nnk_status;

    /// Gives the handle back. NULL does nothing, and any order is fine.
    fn nnk_model_destroy(model: *mut nnk_model);

    /// Writes the model to one file, a valid safetensors file: the parameters by name, the graph as JSON in its
    /// metadata. Atomic: on any error a file that was there before is still there, whole. A symbolic link is followed;
    /// mode and owner of a file that is replaced stay (other hard links to it keep the old contents). `path` may be no
    /// folder, device, FIFO or socket. A save that is killed may leave a file .nnkit-save-\*.tmp beside the target,
    /// which the next save into that folder removes. While the model is being trained, the file has the parameters as
    /// they are between two steps; needs memory for one copy of them.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, IO, OUT_OF_MEMORY.
    fn nnk_model_save(model: *mut nnk_model, path: *const c_char) -> nnk_status;

    /// Reads a model that `nnk_model_save` wrote. A model file is data: no code runs, no other file is opened. `path`
    /// is a regular file; one that is larger than its header explains is refused before it is read.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, IO, FORMAT, SHAPE (too many parameters), OUT_OF_MEMORY,
    /// UNSUPPORTED (of a newer version, or as `nnk_runtime_create`, for the default runtime).
    fn nnk_model_load(runtime: *mut nnk_runtime, path: *const c_char, out: *mut *mut nnk_model) -> nnk_status;

    /// Gives `writer` the bytes that `nnk_model_save` would write, a piece at a time.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, IO (the writer stopped), OUT_OF_MEMORY. Since ABI version
    /// 2.
    fn nnk_model_write(model: *mut nnk_model, writer: nnk_writer, user: *mut c_void) -> nnk_status;

    /// `nnk_model_load` from memory: the `count` bytes that `nnk_model_save` or `nnk_model_write` wrote, or those of a
    /// trainer's state (`nnk_trainer_write_state`), of which it takes the model. `bytes` need no alignment and are not
    /// kept.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, FORMAT, SHAPE, OUT_OF_MEMORY, UNSUPPORTED, as
    /// `nnk_model_load`. Since ABI version 2.
    fn nnk_model_read(
        runtime: *mut nnk_runtime,
        bytes: *const c_void,
        count: i64,
        out: *mut *mut nnk_model,
    ) -> nnk_status;

    /// The model as JSON: {"inputs":\[{"name","dtype","shape","step_shape"}\], "outputs":\[..., each with "source", the
    /// name of the layer or input that computes it, and with "open_as", the name of the input whose open dimensions it
    /// has, where its shape has any\], "layers":\[{"name","kind", "options","inputs","output_shape","parameters"}\],
    /// "parameters":\[{"name","shape","offset","count", "trainable"}\], "parameter_count"}. An offset counts float32
    /// elements in the parameter buffer; a step_shape is there where `nnk_streams_step` can be used, and is the shape
    /// that it takes or gives, without n. Writes the string's address to \*out. It stays until the next call of this
    /// function in this thread.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY.
    fn nnk_model_info_json(model: *mut nnk_model, out: *mut *const c_char) -> nnk_status;

    /// How many inputs and outputs the model has; either may be NULL.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY. Since ABI version 2.
    fn nnk_model_counts(model: *mut nnk_model, n_inputs: *mut i32, n_outputs: *mut i32) -> nnk_status;

    /// The index-th input (output): its name, which stays as long as the model and every object made from it;
    /// `NNK_FLOAT32` or `NNK_INT32`; its shape without the batch, open dimensions as -1. \*rank: in, how many sizes
    /// `shape` can take; out, how many there are. What is NULL is not written; with a `shape` of NULL, \*rank is only
    /// written.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (no such one, too little room), INVALID_HANDLE, OUT_OF_MEMORY. Since ABI
    /// version 2.
    fn nnk_model_input(
        model: *mut nnk_model,
        index: i32,
        name: *mut *const c_char,
        dtype: *mut nnk_dtype,
        shape: *mut i64,
        rank: *mut i32,
    ) -> nnk_status;

    /// See [`nnk_model_input`].
    fn nnk_model_output(
        model: *mut nnk_model,
        index: i32,
        name: *mut *const c_char,
        dtype: *mut nnk_dtype,
        shape: *mut i64,
        rank: *mut i32,
    ) -> nnk_status;

    /// Fills \*out with a view of all parameters: one contiguous float32 buffer of rank 1, in which
    /// `nnk_model_info_json` gives each parameter's place; gaps between parameters are zero and stay unused. The memory
    /// belongs to the model and stays until the model and every object made from it are destroyed. Whoever writes to it
    /// calls `nnk_model_parameters_changed` before the model is used again, and neither reads nor writes while a
    /// trainer of the model is in a call, nor writes while a session is.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY.
    fn nnk_model_parameters_view(model: *mut nnk_model, out: *mut nnk_tensor) -> nnk_status;

    /// Says that the parameters were written to from outside: sessions pack the new values at their next run.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY.
    fn nnk_model_parameters_changed(model: *mut nnk_model) -> nnk_status;

    /// A dataset over arrays whose first axis is the sample: inputs\[i\] goes to the model's i-th input, targets\[i\]
    /// to its i-th output. n_targets may be 0 for data without targets. Any number of samples is fine: with a stride of
    /// 0 they need no memory. KEEPS THE VIEWS' MEMORY (`data`, not `shape`) in use until `nnk_dataset_destroy` returns
    /// and no call that was given the dataset is running.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, SHAPE (first axes differ), TYPE, OUT_OF_MEMORY.
    fn nnk_dataset_create_from_arrays(
        inputs: *const nnk_tensor,
        n_inputs: i32,
        targets: *const nnk_tensor,
        n_targets: i32,
        out: *mut *mut nnk_dataset,
    ) -> nnk_status;

    /// Gives the handle back. NULL does nothing, and any order is fine.
    fn nnk_dataset_destroy(dataset: *mut nnk_dataset);

    /// Creates a trainer. Options: loss= (required; none: `nnk_trainer_forward`, _backward and _apply only),
    /// optimizer=sgd, learning_rate, metric, clip_norm and the optimizer's own, as `nnk_catalog_json()` lists them. The
    /// trainer keeps the model alive.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE (an output that the loss cannot take),
    /// OUT_OF_MEMORY.
    fn nnk_trainer_create(model: *mut nnk_model, options: *const c_char, out: *mut *mut nnk_trainer) -> nnk_status;

    /// Gives the handle back. NULL does nothing, and any order is fine.
    fn nnk_trainer_destroy(trainer: *mut nnk_trainer);

    /// Freezes the parameters whose names ("\<layer\>/\<parameter\>") fit `pattern`, or, with `frozen` 0, lets them be
    /// trained again. In a pattern \* stands for any characters and ? for any one: "encoder_\*", "conv/kernel". A
    /// frozen parameter keeps its value and has a gradient of zero, which takes no time unless the same step computes
    /// others; what lies before frozen layers alone is not gone back to. A running statistic of batchnorm can be frozen
    /// too; training takes the batch's statistics all the same. The optimizer's memory stays. \*count (may be NULL):
    /// how many fit. Part of the state. What a program writes to the gradient of a frozen parameter counts nowhere:
    /// `nnk_trainer_apply` makes it zero. A change ends an `nnk_trainer_forward` that `nnk_trainer_backward` has not
    /// used yet.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (no parameter fits), INVALID_HANDLE, OUT_OF_MEMORY, BUSY. Since ABI version
    /// 2.
    fn nnk_trainer_freeze(
        trainer: *mut nnk_trainer,
        pattern: *const c_char,
        frozen: i32,
        count: *mut i32,
    ) -> nnk_status;

    /// Writes 1 to \*frozen where the parameter of this name, as `nnk_model_info_json` has it, is frozen, else 0. The
    /// callback of `nnk_trainer_fit` may call it for that trainer.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (no parameter of this name), INVALID_HANDLE, OUT_OF_MEMORY, BUSY. Since ABI
    /// version 2.
    fn nnk_trainer_is_frozen(trainer: *mut nnk_trainer, name: *const c_char, frozen: *mut i32) -> nnk_status;

    /// Changes settings of a trainer, all or none of them: "learning_rate=3e-4 weight_decay=1e-4". A setting is any
    /// option of the trainer's optimizer, and clip_norm, with the ranges that `nnk_catalog_json()` lists; what is not
    /// named stays as it is. The optimizer keeps its state (moments, velocities, the number of updates). A momentum
    /// that was 0 since the trainer was created starts from nothing, as that of a new trainer does; later ones go on
    /// from the last gradient. Works at any time and from any thread, while the trainer is in another call too, so from
    /// the callback of a fit: the next step (in `nnk_trainer_apply`, `nnk_trainer_step` or `nnk_trainer_fit`) that
    /// begins to change parameters uses it.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (no setting of this name, a value out of range), INVALID_HANDLE,
    /// OUT_OF_MEMORY.
    fn nnk_trainer_set(trainer: *mut nnk_trainer, settings: *const c_char) -> nnk_status;

    /// Writes a setting to \*value as it was last set, whether a step has used it yet or not: "learning_rate". One that
    /// is true or false is 1 or 0. Works at any time and from any thread.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (no setting of this name), INVALID_HANDLE, OUT_OF_MEMORY.
    fn nnk_trainer_get(trainer: *mut nnk_trainer, name: *const c_char, value: *mut f64) -> nnk_status;

    /// Trains. Options: epochs=1, batch_size=32, shuffle=true (a new order each epoch, from the model's seed),
    /// validation_split=0 (the last fraction of the samples, rounded to whole ones, is held out),
    /// report=epoch|step|batch. `callback` may be NULL; with report=step it can stop within an epoch, with report=batch
    /// within the validation, too. The trainer is busy until this returns. Shapes, and all labels and indices, of the
    /// validation samples too, are checked before the first step. Where a later step fails, the steps before it have
    /// changed the model: the message says which step of which epoch it was, what it met in which sample or parameter,
    /// and whose parameters the model keeps. A step that fails changes nothing, and one that does not leaves every
    /// parameter finite, frozen ones too.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (also for no sample to train on, or none to validate with where that was
    /// asked for), INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, NUMERIC, BUSY.
    fn nnk_trainer_fit(
        trainer: *mut nnk_trainer,
        dataset: *mut nnk_dataset,
        options: *const c_char,
        callback: nnk_progress_callback,
        user: *mut c_void,
    ) -> nnk_status;

    /// The validation samples for the next fits, in place of validation_split. NULL: none. The trainer keeps the
    /// dataset (and so its memory) in use until another is set or the trainer is destroyed.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (the trainer is NULL), INVALID_HANDLE, OUT_OF_MEMORY, BUSY.
    fn nnk_trainer_set_validation(trainer: *mut nnk_trainer, dataset: *mut nnk_dataset) -> nnk_status;

    /// Mean loss and metric over a dataset, in inference mode: over all its rows or elements of real steps, however
    /// they are divided into batches; with several outputs the sum of their losses and the mean of their metrics.
    /// Options: batch_size=32. `loss` and `metric` may be NULL; \*metric is NaN without a metric. All labels and
    /// indices are checked first.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (also for a dataset without samples), INVALID_HANDLE, SHAPE, TYPE,
    /// OUT_OF_MEMORY, BUSY.
    fn nnk_trainer_evaluate(
        trainer: *mut nnk_trainer,
        dataset: *mut nnk_dataset,
        options: *const c_char,
        loss: *mut f64,
        metric: *mut f64,
    ) -> nnk_status;

    /// `nnk_trainer_evaluate`, with a callback after each batch (`NNK_EVENT_EVALUATION`). Where that stops it, \*loss
    /// and \*metric are those of the samples until then.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, BUSY. Since ABI version 2.
    fn nnk_trainer_evaluate_reporting(
        trainer: *mut nnk_trainer,
        dataset: *mut nnk_dataset,
        options: *const c_char,
        loss: *mut f64,
        metric: *mut f64,
        callback: nnk_progress_callback,
        user: *mut c_void,
    ) -> nnk_status;

    /// One optimizer step on one batch: gradients, then apply. \*loss (may be NULL) is the mean loss before the step.
    /// Allocates nothing after the first call with the same shapes.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, NUMERIC, BUSY.
    fn nnk_trainer_step(
        trainer: *mut nnk_trainer,
        inputs: *const nnk_tensor,
        n_inputs: i32,
        targets: *const nnk_tensor,
        n_targets: i32,
        loss: *mut f64,
    ) -> nnk_status;

    /// The first half of a step: loss and gradients of one batch; no parameter changes. A loss that is not finite is
    /// reported in \*loss and is no error here.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, BUSY.
    fn nnk_trainer_gradients(
        trainer: *mut nnk_trainer,
        inputs: *const nnk_tensor,
        n_inputs: i32,
        targets: *const nnk_tensor,
        n_targets: i32,
        loss: *mut f64,
    ) -> nnk_status;

    /// A step with a loss of the program's own, in three parts: this, `nnk_trainer_backward`, `nnk_trainer_apply`. Runs
    /// the model on a batch as training does (dropout draws, batchnorm takes the batch's statistics): reads `inputs`,
    /// \[N, ...\] each, writes `outputs`, whose shapes must be exactly those of the results, and keeps what
    /// `nnk_trainer_backward` needs, not the caller's memory. A later call takes its place. Changes no parameter.
    /// Allocates nothing after the first call with the same shapes.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, BUSY. Since ABI version 2.
    fn nnk_trainer_forward(
        trainer: *mut nnk_trainer,
        inputs: *const nnk_tensor,
        n_inputs: i32,
        outputs: *mut nnk_tensor,
        n_outputs: i32,
    ) -> nnk_status;

    /// The gradients of the last `nnk_trainer_forward`, into the buffer of `nnk_trainer_gradients_view`, from those of
    /// its outputs: output_gradients\[i\], float32, has the shape of outputs\[i\]. One whose data is NULL counts as
    /// zero (that of an int32 output is NULL), and so does what is behind the lengths of a sequence. The mean over a
    /// batch is the caller's: nothing is divided by N. n_input_gradients is 0, or the number of inputs: then the
    /// gradient of each input is written to input_gradients\[i\], where its data is not NULL (that of an int32 input
    /// is). Without them, what they alone need is not computed. Each call needs an `nnk_trainer_forward` of its own,
    /// and the parameters it was run with.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (also without a forward pass that was not used, or where parameters, or
    /// which of them are frozen, have changed since), INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, BUSY. Since ABI
    /// version 2.
    fn nnk_trainer_backward(
        trainer: *mut nnk_trainer,
        output_gradients: *const nnk_tensor,
        n_output_gradients: i32,
        input_gradients: *mut nnk_tensor,
        n_input_gradients: i32,
    ) -> nnk_status;

    /// The last part: clips the gradients in the buffer if clip_norm asks for it and lets the optimizer use them.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (also where no gradients wait: none were computed since the last call, and
    /// the buffer was never shown by `nnk_trainer_gradients_view`), INVALID_HANDLE, OUT_OF_MEMORY, NUMERIC (a gradient
    /// is not finite, or a parameter would not be: nothing has changed), BUSY.
    fn nnk_trainer_apply(trainer: *mut nnk_trainer) -> nnk_status;

    /// Fills \*out with a view of all gradients, laid out as the parameters are (`nnk_model_parameters_view`). In the
    /// place of a parameter that is not trainable (a running statistic of batchnorm) `nnk_trainer_gradients` leaves its
    /// next value, which `nnk_trainer_apply` copies. The memory stays until the trainer is destroyed and is valid after
    /// `nnk_trainer_gradients`.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY.
    fn nnk_trainer_gradients_view(trainer: *mut nnk_trainer, out: *mut nnk_tensor) -> nnk_status;

    /// Gives `writer`, a piece at a time, all that training goes on from, to the bit: what `nnk_model_write` gives and,
    /// in the same safetensors file, the optimizer's memory, the counters from which the order of samples and dropout
    /// are drawn, the trainer's options, and the gradients if `nnk_trainer_apply` may still use them. The trainer is
    /// busy until this returns. The callback of `nnk_trainer_fit` may call it for that trainer: what is left of the
    /// epoch is no part of the state.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY, IO (the writer stopped), BUSY. Since ABI
    /// version 2.
    fn nnk_trainer_write_state(trainer: *mut nnk_trainer, writer: nnk_writer, user: *mut c_void) -> nnk_status;

    /// Makes the trainer and its model go on where the trainer was whose `nnk_trainer_write_state` wrote these `count`
    /// bytes: parameters, optimizer, counters, and settings (`nnk_trainer_set`). The trainer must have been created
    /// with the same loss, optimizer and metric, its model with the same graph and seed; `nnk_model_read` makes one of
    /// the same bytes. On failure nothing has changed. `bytes` need no alignment and are not kept.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (the state of another model, or of other options), INVALID_HANDLE,
    /// OUT_OF_MEMORY, FORMAT (no whole state), BUSY, UNSUPPORTED (of a newer version). Since ABI version 2.
    fn nnk_trainer_read_state(trainer: *mut nnk_trainer, bytes: *const c_void, count: i64) -> nnk_status;

    /// Plans the model and allocates what its runs need. Options: max_batch=1, max_time=0 (the longest open time
    /// dimension, for which every input is planned; 0: planned at the first run), max_bytes=0 (0: no limit below the
    /// machine's memory). Inputs may have time dimensions of different sizes. The session keeps the model alive.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, OUT_OF_MEMORY.
    fn nnk_session_create(model: *mut nnk_model, options: *const c_char, out: *mut *mut nnk_session) -> nnk_status;

    /// Gives the handle back. NULL does nothing, and any order is fine.
    fn nnk_session_destroy(session: *mut nnk_session);

    /// Runs the model on a batch of 1 to max_batch samples: reads `inputs`, \[N, ...\] each, writes `outputs`, whose
    /// shapes must be exactly those of the results. A run with max_batch samples allocates nothing; any other number is
    /// planned when it first comes.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, BUSY, CANCELLED.
    fn nnk_session_run(
        session: *mut nnk_session,
        inputs: *const nnk_tensor,
        n_inputs: i32,
        outputs: *mut nnk_tensor,
        n_outputs: i32,
    ) -> nnk_status;

    /// Ends the call that the session is in, `nnk_session_run` or `nnk_streams_step`, from any other thread: that call
    /// returns `NNK_ERROR_CANCELLED` when the layer that it computes has ended, and has written no output and advanced
    /// no stream. Does nothing where the session is in no call; one that begins later is not touched. The session can
    /// be used again. Not from a signal handler: see "Signals" at the top.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY. Since ABI version 2.
    fn nnk_session_cancel(session: *mut nnk_session) -> nnk_status;

    /// How many bytes `nnk_session_create` would allocate for its plan with these options, to the byte; allocates none
    /// of them, whatever max_bytes says. 0 where a time dimension is open and max_time is 0: nothing is planned before
    /// the first run.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, OUT_OF_MEMORY.
    fn nnk_session_bytes(model: *mut nnk_model, options: *const c_char, bytes: *mut i64) -> nnk_status;

    /// A stream at the start of a sequence. The model needs at least one recurrent layer; every other layer that a
    /// sequence passes must act on each time step by itself (dense, embedding, batchnorm, activation, softmax, dropout,
    /// add). The stream keeps the model alive and belongs to no session: any session of the model may advance it.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY, UNSUPPORTED (the model cannot be streamed;
    /// the message names the layer).
    fn nnk_stream_create(model: *mut nnk_model, out: *mut *mut nnk_stream) -> nnk_status;

    /// Gives the handle back. NULL does nothing, and any order is fine.
    fn nnk_stream_destroy(stream: *mut nnk_stream);

    /// Goes back to the start of a sequence.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY, BUSY.
    fn nnk_stream_reset(stream: *mut nnk_stream) -> nnk_status;

    /// Advances `n` different streams, 1 to max_batch, by one time step each. Row i of every tensor belongs to
    /// streams\[i\]. `inputs` are those of `nnk_session_run` without their time dimension, \[n, ...\]; lengths are 1.
    /// So are `outputs`: those of this time step, and of a layer that returns its last state, the state that it has
    /// now. Step by step the numbers are those of one `nnk_session_run` over the whole sequence, to the bit, but that a
    /// zero may change its sign. On failure no stream has advanced. The first step with a number of streams plans it,
    /// any later one allocates nothing; the session remembers the plans of the last four numbers. Between two calls the
    /// state is the stream's: sets of streams may be mixed, and parameters may change, from step to step.
    ///
    /// Returns: `NNK_OK`, INVALID_ARGUMENT (n, or a stream that is given twice or is of another model), INVALID_HANDLE,
    /// SHAPE, TYPE, OUT_OF_MEMORY, BUSY (the session or a stream is in another call), CANCELLED.
    fn nnk_streams_step(
        session: *mut nnk_session,
        streams: *const *mut nnk_stream,
        n: i32,
        inputs: *const nnk_tensor,
        n_inputs: i32,
        outputs: *mut nnk_tensor,
        n_outputs: i32,
    ) -> nnk_status;
}
