/* nnkit.h: the C interface of NNKit, and its manual.
 *
 * NNKit trains and runs convolutional and recurrent neural networks on the CPU, inside the program that
 * loads it. This file is the only definition of the interface: the library exports the functions declared
 * here and nothing else.
 *
 * RULES THAT HOLD FOR EVERY FUNCTION
 *
 * Status      A function that can fail returns nnk_status: NNK_OK (0) or one of the NNK_ERROR_ codes. On
 *             failure the outputs are untouched, and nnk_last_error() describes the failure in the calling
 *             thread. "Returns" lists every code that a function can give, without NNK_ERROR_; only
 *             NNK_ERROR_INTERNAL, which is a fault of NNKit's own, is in no list. Nothing that is passed ends the
 *             process.
 * Handles     nnk_graph, nnk_model, ... are tokens, not addresses; never look behind one. A stale, foreign
 *             or mistyped handle gives NNK_ERROR_INVALID_HANDLE. A destroy function takes NULL (and does
 *             nothing) and any order is fine: an object that others still need lives until they are gone.
 * Memory      Tensor arguments are views of the caller's memory, read or written during the call and never
 *             kept after it returns, unless the function says so.
 * Strings     UTF-8, zero-terminated. Strings that NNKit returns belong to NNKit; each function says how
 *             long they stay.
 * Options     "key=value key=value", separated by white space; a list has commas: "kernel=3,5". NULL means
 *             "". An unknown key, a bad value or a key given twice is NNK_ERROR_INVALID_ARGUMENT. See
 *             nnk_catalog_json() for every option with its type, range and default, and for the names of Keras
 *             and PyTorch that are read as well ("foreign"): "lr", "kernel_size", "swish", "mse", ...
 * Threads     Different handles may be used from different threads at the same time, and one model may be
 *             used by any number of sessions at once. One trainer, session or stream serves one call at a time;
 *             a second, simultaneous call on it gives NNK_ERROR_BUSY. While a model is being trained, its sessions
 *             run and files are saved all the same: each run, and each file, has the parameters as they are between
 *             two steps. An update waits for the runs that are under way, and runs that come meanwhile wait for it;
 *             neither can keep the other out. Who reads or writes through nnk_model_parameters_view sees to that alone.
 * Tensors     Channels last: images [N,H,W,C], sequences [N,T,C]. N is the batch.
 * Determinism The same seed and data give the same bits for any number of threads; on another machine too, where
 *             the instruction-set level, the C library and, at avx512, the processor's vendor (AMD or another) are
 *             the same.
 * Environment NNKIT_ISA=baseline|avx2|avx512 forces an instruction-set level (a level that the processor
 *             lacks is an error of nnk_runtime_create and of the first call that needs the default runtime).
 *             NNKIT_NUM_THREADS sets the default number of threads.
 * Thread      Every function computes in the default floating-point environment (nearest, no flushing to zero,
 *             exceptions masked) and leaves the calling thread's as it was; a callback has the thread's own.
 *             Cancellation (pthread_cancel) waits until the call has returned, callbacks included. A thread needs
 *             48 KiB of stack for its calls, and what callbacks use.
 * Callbacks   A callback returns. If it throws a C++ exception, the call ends with NNK_ERROR_INVALID_ARGUMENT.
 *             It must not leave by longjmp or pthread_exit; if it does, the object that was in the call can be
 *             used again, and the memory that the call had in use is never freed.
 * Signals     A signal handler calls no function of this file: where it interrupted a call of its own thread that
 *             holds a lock, it would wait for ever. It sets a flag, or posts a semaphore (sem_post): a thread that
 *             waits for that calls nnk_session_cancel, and the callback of a fit that reads the flag returns 1.
 * Forks       A process may fork at any time, and its child train and run at once. Models are there as they were
 *             between two steps. Where another thread was inside a trainer, session or stream, the child makes a new
 *             one.
 * No memory   Memory that cannot be had is NNK_ERROR_OUT_OF_MEMORY; a function that returns a pointer gives NULL.
 *             A small reserve, part of the library, lets a call end in order. If even that is used up, the call
 *             ends with this status, and so does every later one of the process.
 *
 * All functions exist since ABI version 1, but for those that say otherwise.
 */
#ifndef NNKIT_H
#define NNKIT_H

#include <stdint.h>

#if defined(_WIN32)
#define NNK_API
#else
#define NNK_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------------------- version */

#define NNK_VERSION_MAJOR 0
#define NNK_VERSION_MINOR 1
#define NNK_VERSION_PATCH 0

/* Grows by one whenever functions, options or struct fields are added. Nothing is ever removed or changed. */
#define NNK_ABI_VERSION 2

/* The library's version, "major.minor.patch". Stays until the process ends. */
NNK_API const char *nnk_version(void);

/* NNK_ABI_VERSION of the loaded library. A program compiled against version n runs with any library whose
 * ABI version is at least n. */
NNK_API uint32_t nnk_abi_version(void);

/* ----------------------------------------------------------------------------------------------- status */

typedef int32_t nnk_status;
enum {
    NNK_OK = 0,
    NNK_ERROR_INVALID_ARGUMENT = 1, /* NULL where a value is needed, an unknown option, a value out of range */
    NNK_ERROR_INVALID_HANDLE = 2,   /* a handle that is stale, foreign or of another kind */
    NNK_ERROR_SHAPE = 3,            /* a shape that does not fit, or whose size overflows */
    NNK_ERROR_TYPE = 4,             /* an element type that does not fit */
    NNK_ERROR_OUT_OF_MEMORY = 5,    /* memory that cannot be had, or more than max_bytes allows */
    NNK_ERROR_IO = 6,               /* a file that cannot be read or written, a writer that stopped */
    NNK_ERROR_FORMAT = 7,           /* a file that is not a valid model, or bytes that are no valid state */
    NNK_ERROR_NUMERIC = 8,          /* a loss, gradient or update that is not finite: that step changed nothing */
    NNK_ERROR_BUSY = 9,             /* the trainer, session or stream is already in a call */
    NNK_ERROR_UNSUPPORTED = 10,     /* a valid request that this version or processor cannot serve */
    NNK_ERROR_INTERNAL = 11,        /* a fault of NNKit's own; please report it */
    NNK_ERROR_CANCELLED = 12        /* nnk_session_cancel ended the call. Since ABI version 2 */
};

/* The name of a status code, such as "NNK_ERROR_SHAPE"; "unknown status" for any other number.
 * Stays until the process ends. */
NNK_API const char *nnk_status_name(nnk_status status);

/* What went wrong in the last failed call of this thread: what, where, what was expected, what to do.
 * "" when no call of this thread has failed. Stays until the next failing call of this thread. */
NNK_API const char *nnk_last_error(void);

/* ---------------------------------------------------------------------------------------------- tensors */

typedef int32_t nnk_dtype;
enum {
    NNK_FLOAT32 = 1,
    NNK_INT32 = 2,
    NNK_INT64 = 3 /* accepted where NNK_INT32 is, if every value fits into 32 bits */
};

/* A view of the caller's memory, with the layout of DLPack's DLTensor (device kDLCPU = 1). Strides count
 * elements, not bytes; strides == NULL means dense, last axis fastest. */
typedef struct nnk_tensor {
    void *data;
    struct {
        int32_t device_type; /* 1: CPU */
        int32_t device_id;   /* 0 */
    } device;
    int32_t ndim;
    struct {
        uint8_t code;   /* 0: signed integer, 2: floating point */
        uint8_t bits;   /* 32 or 64 */
        uint16_t lanes; /* 1 */
    } dtype;
    int64_t *shape;   /* ndim sizes */
    int64_t *strides; /* ndim strides in elements, or NULL */
    uint64_t byte_offset;
} nnk_tensor;

/* A dense view of `data` with `rank` sizes. Keeps the pointers `data` and `shape`: both must stay valid as
 * long as the view is used. Cannot fail; what is wrong with a view is reported by the function it is given
 * to. */
NNK_API nnk_tensor nnk_tensor_view(void *data, nnk_dtype dtype, const int64_t *shape, int32_t rank);

/* ---------------------------------------------------------------------------------------------- runtime */

/* Threads and instruction set. Wherever a runtime is asked for, NULL means the shared default. */
typedef struct nnk_runtime nnk_runtime;

/* Creates a runtime. Options: threads=0 (0: the processors that this process may use, seen through affinity
 * and the cgroup's quota; 1 starts no thread).
 * Returns: NNK_OK, INVALID_ARGUMENT, OUT_OF_MEMORY, UNSUPPORTED (NNKIT_ISA names a level that is not there). */
NNK_API nnk_status nnk_runtime_create(const char *options, nnk_runtime **out);

/* Gives the runtime back. Its threads end when the last object that uses it is gone. */
NNK_API void nnk_runtime_destroy(nnk_runtime *runtime);

/* What the runtime (NULL: the default) runs on, as JSON: {"isa":"avx512","threads":2,"version":"0.1.0"}.
 * Writes the string's address to *out. It stays until the next call of this function in this thread.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY, UNSUPPORTED (as nnk_runtime_create, for the
 * default runtime). */
NNK_API nnk_status nnk_runtime_info_json(nnk_runtime *runtime, const char **out);

/* Ends the default runtime's worker threads, waiting until they are gone. They start again when needed:
 * NNKit stays usable. Safe at any time; a running call is finished first. */
NNK_API void nnk_shutdown(void);

/* Every layer, loss, optimizer and metric, and the options of every function that takes options, each with
 * type, range, default and one line of documentation, as JSON. NULL if memory cannot be had; else it stays until the
 * process ends. */
NNK_API const char *nnk_catalog_json(void);

/* ------------------------------------------------------------------------------------------------ graph */

/* A model being described. A graph remembers its first error: later calls do nothing, and nnk_model_create
 * reports it. */
typedef struct nnk_graph nnk_graph;

/* A value in a graph: the output of a layer, or an input. Belongs to the graph that returned it. Negative
 * after an error. */
typedef int32_t nnk_value;
enum {
    NNK_ABSENT = -2 /* in place of an optional input that a layer is not given. Since ABI version 2 */
};

/* An empty graph; NULL if memory cannot be had. */
NNK_API nnk_graph *nnk_graph_create(void);
NNK_API void nnk_graph_destroy(nnk_graph *graph);

/* Adds an input. `shape` has `rank` sizes without the batch; a size of -1 is a time dimension left open.
 * Data for it is [N, shape...]. dtype: NNK_FLOAT32 or NNK_INT32. Gives the value, or -1 where this or an earlier call
 * on the graph failed. */
NNK_API nnk_value nnk_graph_input(nnk_graph *graph, const char *name, nnk_dtype dtype, const int64_t *shape,
                                  int32_t rank);

/* Adds a layer with one input and one output. `kind` and `options` as nnk_catalog_json() lists them; every
 * layer takes name=... too. Gives the value, or -1 where this or an earlier call on the graph failed. */
NNK_API nnk_value nnk_graph_layer(nnk_graph *graph, const char *kind, const char *options, nnk_value input);

/* Adds a layer with `n_inputs` inputs and `n_outputs` outputs and writes the outputs to `outputs`; the catalog says
 * what each is and its "count": "one"; "optional", which may be NNK_ABSENT, or left out at the end; "many", one or
 * more; or the name of an option, whose list has as many numbers.
 * Returns: NNK_OK, INVALID_HANDLE, or the graph's first error: INVALID_ARGUMENT, SHAPE, TYPE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_graph_layer_multi(nnk_graph *graph, const char *kind, const char *options,
                                         const nnk_value *inputs, int32_t n_inputs, nnk_value *outputs,
                                         int32_t n_outputs);

/* SEQUENCES OF DIFFERENT LENGTHS. A recurrent layer (lstm, gru) takes a second input, int32 [], that says how many of a
 * sequence's T time steps are data: 1 to T. What is behind them is padding, and counts nowhere:
 *  - The layer's states have these lengths, and so has behind it the output of every layer that acts on each step by
 *    itself (dense, activation, softmax, log_softmax, dropout, batchnorm, add). A recurrent layer that is given no
 *    lengths has those of its input. An add of sequences with two different lengths is an error, and so is a recurrent
 *    layer that is given others than its input has; an add of a sequence with lengths and one without has them. A last
 *    state has none.
 *  - In front of the recurrent layer a value has its lengths where nothing reads more of it: where it is no output of
 *    the model, and all layers that read it, directly or through layers that act on each step by itself (embedding
 *    too), have the same lengths.
 *  - The loss and the metric of an output that has lengths are means over the real steps of all samples (of an epoch,
 *    of a dataset); its target is not read behind them, and no gradient comes from there. batchnorm takes its
 *    statistics from the real steps. An input that has lengths is not read behind them either, and counts as zeros
 *    (index 0) there. So NaN, labels and indices out of range may stand behind the lengths.
 *  - Behind the lengths the states are 0, and every layer's output is what it makes of that. A layer that acts on all
 *    steps together (flatten) finds zeros there. */

/* Declares `value` an output of the model, which may have 4096 of them, and as many inputs. Outputs are given to the
 * caller in the order of these calls.
 * Returns: NNK_OK, INVALID_HANDLE, or the graph's first error: INVALID_ARGUMENT, SHAPE, TYPE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_graph_output(nnk_graph *graph, const char *name, nnk_value value);

/* The shape of a value without the batch, open dimensions as -1. *rank: in, how many sizes `shape` can take;
 * out, how many there are.
 * Returns: NNK_OK, INVALID_ARGUMENT (no such value, too little room), INVALID_HANDLE, or the graph's first error:
 * INVALID_ARGUMENT, SHAPE, TYPE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_graph_shape(nnk_graph *graph, nnk_value value, int64_t *shape, int32_t *rank);

/* ------------------------------------------------------------------------------------------------ model */

/* A checked graph with its parameters. */
typedef struct nnk_model nnk_model;

/* Makes a model of the graph and initialises its parameters. The graph is copied: it may be destroyed or
 * extended afterwards. Options: seed=0.
 * Returns: NNK_OK, INVALID_ARGUMENT (also for a graph without inputs or outputs), INVALID_HANDLE, SHAPE (also for too
 * many parameters), TYPE, OUT_OF_MEMORY, UNSUPPORTED (as nnk_runtime_create, for the default runtime). The graph's
 * first error is one of these. */
NNK_API nnk_status nnk_model_create(nnk_runtime *runtime, nnk_graph *graph, const char *options, nnk_model **out);
NNK_API void nnk_model_destroy(nnk_model *model);

/* Writes the model to one file, a valid safetensors file: the parameters by name, the graph as JSON in its
 * metadata. Atomic: on any error a file that was there before is still there, whole. A symbolic link is followed; mode
 * and owner of a file that is replaced stay (other hard links to it keep the old contents). `path` may be no folder,
 * device, FIFO or socket. A save that is killed may leave a file .nnkit-save-*.tmp beside the target, which the next
 * save into that folder removes. While the model is being trained, the file has the parameters as they are
 * between two steps; needs memory for one copy of them.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, IO, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_model_save(nnk_model *model, const char *path);

/* Reads a model that nnk_model_save wrote. A model file is data: no code runs, no other file is opened. `path` is a
 * regular file; one that is larger than its header explains is refused before it is read.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, IO, FORMAT, SHAPE (too many parameters), OUT_OF_MEMORY,
 * UNSUPPORTED (of a newer version, or as nnk_runtime_create, for the default runtime). */
NNK_API nnk_status nnk_model_load(nnk_runtime *runtime, const char *path, nnk_model **out);

/* Takes `count` bytes, at least 1, that follow those of the calls before; they stay during the call only. Returns 0 to
 * go on, anything else to stop: then the function that it was given to returns IO. Called in the calling thread. May
 * use other handles; with the trainer of nnk_trainer_write_state it may do what an nnk_progress_callback may. `user` is
 * what that function was given. Since ABI version 2. */
typedef int (*nnk_writer)(const void *bytes, int64_t count, void *user);

/* Gives `writer` the bytes that nnk_model_save would write, a piece at a time.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, IO (the writer stopped), OUT_OF_MEMORY. Since ABI version 2. */
NNK_API nnk_status nnk_model_write(nnk_model *model, nnk_writer writer, void *user);

/* nnk_model_load from memory: the `count` bytes that nnk_model_save or nnk_model_write wrote, or those of a trainer's
 * state (nnk_trainer_write_state), of which it takes the model. `bytes` need no alignment and are not kept.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, FORMAT, SHAPE, OUT_OF_MEMORY, UNSUPPORTED, as nnk_model_load.
 * Since ABI version 2. */
NNK_API nnk_status nnk_model_read(nnk_runtime *runtime, const void *bytes, int64_t count, nnk_model **out);

/* The model as JSON: {"inputs":[{"name","dtype","shape","step_shape"}], "outputs":[..., each with "source", the name
 * of the layer or input that computes it, and with "open_as", the name of the input whose open dimensions it has, where
 * its shape has any], "layers":[{"name","kind", "options","inputs","output_shape","parameters"}],
 * "parameters":[{"name","shape","offset","count", "trainable"}], "parameter_count"}. An offset counts float32 elements
 * in the parameter buffer; a step_shape is there where nnk_streams_step can be used, and is the shape that it takes or
 * gives, without n. Writes the string's address to *out. It stays until the next call of this function in this thread.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_model_info_json(nnk_model *model, const char **out);

/* How many inputs and outputs the model has; either may be NULL.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY. Since ABI version 2. */
NNK_API nnk_status nnk_model_counts(nnk_model *model, int32_t *n_inputs, int32_t *n_outputs);

/* The index-th input (output): its name, which stays as long as the model and every object made from it; NNK_FLOAT32 or
 * NNK_INT32; its shape without the batch, open dimensions as -1. *rank: in, how many sizes `shape` can take; out, how
 * many there are. What is NULL is not written; with a `shape` of NULL, *rank is only written.
 * Returns: NNK_OK, INVALID_ARGUMENT (no such one, too little room), INVALID_HANDLE, OUT_OF_MEMORY. Since ABI
 * version 2. */
NNK_API nnk_status nnk_model_input(nnk_model *model, int32_t index, const char **name, nnk_dtype *dtype, int64_t *shape,
                                   int32_t *rank);
NNK_API nnk_status nnk_model_output(nnk_model *model, int32_t index, const char **name, nnk_dtype *dtype,
                                    int64_t *shape, int32_t *rank);

/* Fills *out with a view of all parameters: one contiguous float32 buffer of rank 1, in which
 * nnk_model_info_json gives each parameter's place; gaps between parameters are zero and stay unused. The
 * memory belongs to the model and stays until the model and every object made from it are destroyed.
 * Whoever writes to it calls nnk_model_parameters_changed before the model is used again, and neither reads nor writes
 * while a trainer of the model is in a call, nor writes while a session is.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_model_parameters_view(nnk_model *model, nnk_tensor *out);

/* Says that the parameters were written to from outside: sessions pack the new values at their next run.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_model_parameters_changed(nnk_model *model);

/* ---------------------------------------------------------------------------------------------- dataset */

/* Samples: inputs and, for training, targets. */
typedef struct nnk_dataset nnk_dataset;

/* A dataset over arrays whose first axis is the sample: inputs[i] goes to the model's i-th input, targets[i]
 * to its i-th output. n_targets may be 0 for data without targets. Any number of samples is fine: with a stride of 0
 * they need no memory. KEEPS THE VIEWS' MEMORY (`data`, not `shape`) in use until nnk_dataset_destroy returns and no
 * call that was given the dataset is running.
 * Returns: NNK_OK, INVALID_ARGUMENT, SHAPE (first axes differ), TYPE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_dataset_create_from_arrays(const nnk_tensor *inputs, int32_t n_inputs, const nnk_tensor *targets,
                                                  int32_t n_targets, nnk_dataset **out);
NNK_API void nnk_dataset_destroy(nnk_dataset *dataset);

/* ---------------------------------------------------------------------------------------------- trainer */

/* A model with a loss, an optimizer and gradients. */
typedef struct nnk_trainer nnk_trainer;

/* Creates a trainer. Options: loss= (required; none: nnk_trainer_forward, _backward and _apply only), optimizer=sgd,
 * learning_rate, metric, clip_norm and the optimizer's own, as nnk_catalog_json() lists them. The trainer keeps the
 * model alive.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE (an output that the loss cannot take),
 * OUT_OF_MEMORY. */
NNK_API nnk_status nnk_trainer_create(nnk_model *model, const char *options, nnk_trainer **out);
NNK_API void nnk_trainer_destroy(nnk_trainer *trainer);

/* Freezes the parameters whose names ("<layer>/<parameter>") fit `pattern`, or, with `frozen` 0, lets them be trained
 * again. In a pattern * stands for any characters and ? for any one: "encoder_*", "conv/kernel". A frozen parameter
 * keeps its value and has a gradient of zero, which takes no time unless the same step computes others; what lies
 * before frozen layers alone is not gone back to. A running statistic of batchnorm can be frozen too; training takes
 * the batch's statistics all the same. The optimizer's memory stays. *count (may be NULL): how many fit. Part of the
 * state. What a program writes to the gradient of a frozen parameter counts nowhere: nnk_trainer_apply makes it zero.
 * A change ends an nnk_trainer_forward that nnk_trainer_backward has not used yet.
 * Returns: NNK_OK, INVALID_ARGUMENT (no parameter fits), INVALID_HANDLE, OUT_OF_MEMORY, BUSY. Since ABI version 2. */
NNK_API nnk_status nnk_trainer_freeze(nnk_trainer *trainer, const char *pattern, int32_t frozen, int32_t *count);

/* Writes 1 to *frozen where the parameter of this name, as nnk_model_info_json has it, is frozen, else 0. The callback
 * of nnk_trainer_fit may call it for that trainer.
 * Returns: NNK_OK, INVALID_ARGUMENT (no parameter of this name), INVALID_HANDLE, OUT_OF_MEMORY, BUSY. Since ABI
 * version 2. */
NNK_API nnk_status nnk_trainer_is_frozen(nnk_trainer *trainer, const char *name, int32_t *frozen);

/* Changes settings of a trainer, all or none of them: "learning_rate=3e-4 weight_decay=1e-4". A setting is any option
 * of the trainer's optimizer, and clip_norm, with the ranges that nnk_catalog_json() lists; what is not named stays as
 * it is. The optimizer keeps its state (moments, velocities, the number of updates). A momentum that was 0 since the
 * trainer was created starts from nothing, as that of a new trainer does; later ones go on from the last gradient.
 * Works at any time and from any thread, while the trainer is in another call too, so from the callback of a fit: the
 * next step (in nnk_trainer_apply, nnk_trainer_step or nnk_trainer_fit) that begins to change parameters uses it.
 * Returns: NNK_OK, INVALID_ARGUMENT (no setting of this name, a value out of range), INVALID_HANDLE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_trainer_set(nnk_trainer *trainer, const char *settings);

/* Writes a setting to *value as it was last set, whether a step has used it yet or not: "learning_rate". One that is
 * true or false is 1 or 0. Works at any time and from any thread.
 * Returns: NNK_OK, INVALID_ARGUMENT (no setting of this name), INVALID_HANDLE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_trainer_get(nnk_trainer *trainer, const char *name, double *value);

/* How a fit is going. New fields are only ever appended; struct_bytes says how many bytes there are. */
typedef struct nnk_progress {
    uint32_t struct_bytes;
    int32_t event;          /* NNK_EVENT_STEP, NNK_EVENT_EPOCH or NNK_EVENT_EVALUATION */
    int32_t epoch;          /* the current epoch, from 1; 0 in nnk_trainer_evaluate_reporting */
    int32_t epochs;         /* how many there are to be; 0 in nnk_trainer_evaluate_reporting */
    int64_t step;           /* the current step of this epoch, or batch of the samples that are evaluated, from 1 */
    int64_t steps;          /* steps in an epoch, or batches of the samples that are evaluated */
    double loss;            /* mean training loss of this epoch so far, over all its rows or elements of real steps */
    double metric;          /* the metric on the validation samples if there are any, else on the training samples
                           of this epoch so far; NaN without a metric, or where it is not known yet */
    double train_metric;    /* the metric on the training samples of this epoch so far; NaN without a metric */
    double validation_loss; /* NaN without validation samples, and at NNK_EVENT_STEP; at NNK_EVENT_EVALUATION it and
                           `metric` are those of the samples until then */
    double seconds;         /* since the epoch began */
} nnk_progress;

enum {
    NNK_EVENT_STEP = 0,      /* an optimizer step has ended; only with report=step or report=batch */
    NNK_EVENT_EPOCH = 1,     /* an epoch has ended */
    NNK_EVENT_EVALUATION = 2 /* a batch has been evaluated: of the validation samples, with report=batch, or in
                                nnk_trainer_evaluate_reporting. Since ABI version 2 */
};

/* Called by nnk_trainer_fit and nnk_trainer_evaluate_reporting in the calling thread. `progress` is valid during the
 * call only. Returns 0 to go on, anything else to stop early: then the call returns NNK_OK. With the trainer of the
 * call it may call nnk_trainer_set, nnk_trainer_get, nnk_trainer_write_state, nnk_trainer_gradients_view and
 * nnk_trainer_destroy; every other function gives BUSY. Of all other handles, the model's too, it may make any use. It
 * returns, and does not throw: see "Callbacks" at the top. */
typedef int (*nnk_progress_callback)(const nnk_progress *progress, void *user);

/* Trains. Options: epochs=1, batch_size=32, shuffle=true (a new order each epoch, from the model's seed),
 * validation_split=0 (the last fraction of the samples, rounded to whole ones, is held out), report=epoch|step|batch.
 * `callback` may be NULL; with report=step it can stop within an epoch, with report=batch within the validation, too.
 * The trainer is busy until this returns. Shapes, and all labels and indices, of the validation samples too, are
 * checked before the first step. Where a later step fails, the steps before it have changed the model: the message
 * says which step of which epoch it was, what it met in which sample or parameter, and whose parameters the model
 * keeps. A step that fails changes nothing, and one that does not leaves every parameter finite, frozen ones too.
 * Returns: NNK_OK, INVALID_ARGUMENT (also for no sample to train on, or none to validate with where that was asked
 * for), INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, NUMERIC, BUSY. */
NNK_API nnk_status nnk_trainer_fit(nnk_trainer *trainer, nnk_dataset *dataset, const char *options,
                                   nnk_progress_callback callback, void *user);

/* The validation samples for the next fits, in place of validation_split. NULL: none. The trainer keeps the
 * dataset (and so its memory) in use until another is set or the trainer is destroyed.
 * Returns: NNK_OK, INVALID_ARGUMENT (the trainer is NULL), INVALID_HANDLE, OUT_OF_MEMORY, BUSY. */
NNK_API nnk_status nnk_trainer_set_validation(nnk_trainer *trainer, nnk_dataset *dataset);

/* Mean loss and metric over a dataset, in inference mode: over all its rows or elements of real steps, however they
 * are divided into batches; with several outputs the sum of their losses and the mean of their metrics. Options:
 * batch_size=32. `loss` and `metric` may be NULL; *metric is NaN without a metric. All labels and
 * indices are checked first.
 * Returns: NNK_OK, INVALID_ARGUMENT (also for a dataset without samples), INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY,
 * BUSY. */
NNK_API nnk_status nnk_trainer_evaluate(nnk_trainer *trainer, nnk_dataset *dataset, const char *options, double *loss,
                                        double *metric);

/* nnk_trainer_evaluate, with a callback after each batch (NNK_EVENT_EVALUATION). Where that stops it, *loss and *metric
 * are those of the samples until then.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, BUSY. Since ABI version 2. */
NNK_API nnk_status nnk_trainer_evaluate_reporting(nnk_trainer *trainer, nnk_dataset *dataset, const char *options,
                                                  double *loss, double *metric, nnk_progress_callback callback,
                                                  void *user);

/* One optimizer step on one batch: gradients, then apply. *loss (may be NULL) is the mean loss before the
 * step. Allocates nothing after the first call with the same shapes.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, NUMERIC, BUSY. */
NNK_API nnk_status nnk_trainer_step(nnk_trainer *trainer, const nnk_tensor *inputs, int32_t n_inputs,
                                    const nnk_tensor *targets, int32_t n_targets, double *loss);

/* The first half of a step: loss and gradients of one batch; no parameter changes. A loss that is not finite
 * is reported in *loss and is no error here.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, BUSY. */
NNK_API nnk_status nnk_trainer_gradients(nnk_trainer *trainer, const nnk_tensor *inputs, int32_t n_inputs,
                                         const nnk_tensor *targets, int32_t n_targets, double *loss);

/* A step with a loss of the program's own, in three parts: this, nnk_trainer_backward, nnk_trainer_apply. Runs the
 * model on a batch as training does (dropout draws, batchnorm takes the batch's statistics): reads `inputs`, [N, ...]
 * each, writes `outputs`, whose shapes must be exactly those of the results, and keeps what nnk_trainer_backward needs,
 * not the caller's memory. A later call takes its place. Changes no parameter. Allocates nothing after the first call
 * with the same shapes.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, BUSY. Since ABI version 2. */
NNK_API nnk_status nnk_trainer_forward(nnk_trainer *trainer, const nnk_tensor *inputs, int32_t n_inputs,
                                       nnk_tensor *outputs, int32_t n_outputs);

/* The gradients of the last nnk_trainer_forward, into the buffer of nnk_trainer_gradients_view, from those of its
 * outputs: output_gradients[i], float32, has the shape of outputs[i]. One whose data is NULL counts as zero (that of an
 * int32 output is NULL), and so does what is behind the lengths of a sequence. The mean over a batch is the caller's:
 * nothing is divided by N. n_input_gradients is 0, or the number of inputs: then the gradient of each input is written
 * to input_gradients[i], where its data is not NULL (that of an int32 input is). Without them, what they alone need is
 * not computed. Each call needs an nnk_trainer_forward of its own, and the parameters it was run with.
 * Returns: NNK_OK, INVALID_ARGUMENT (also without a forward pass that was not used, or where parameters, or which of
 * them are frozen, have changed since), INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, BUSY. Since ABI version 2. */
NNK_API nnk_status nnk_trainer_backward(nnk_trainer *trainer, const nnk_tensor *output_gradients,
                                        int32_t n_output_gradients, nnk_tensor *input_gradients,
                                        int32_t n_input_gradients);

/* The last part: clips the gradients in the buffer if clip_norm asks for it and lets the optimizer use them.
 * Returns: NNK_OK, INVALID_ARGUMENT (also where no gradients wait: none were computed since the last call, and the
 * buffer was never shown by nnk_trainer_gradients_view), INVALID_HANDLE, OUT_OF_MEMORY, NUMERIC (a gradient is not
 * finite, or a parameter would not be: nothing has changed), BUSY. */
NNK_API nnk_status nnk_trainer_apply(nnk_trainer *trainer);

/* Fills *out with a view of all gradients, laid out as the parameters are (nnk_model_parameters_view). In the
 * place of a parameter that is not trainable (a running statistic of batchnorm) nnk_trainer_gradients leaves
 * its next value, which nnk_trainer_apply copies. The memory stays until the trainer is destroyed and is valid
 * after nnk_trainer_gradients.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_trainer_gradients_view(nnk_trainer *trainer, nnk_tensor *out);

/* Gives `writer`, a piece at a time, all that training goes on from, to the bit: what nnk_model_write gives and, in the
 * same safetensors file, the optimizer's memory, the counters from which the order of samples and dropout are drawn,
 * the trainer's options, and the gradients if nnk_trainer_apply may still use them. The trainer is busy until this
 * returns. The callback of nnk_trainer_fit may call it for that trainer: what is left of the epoch is no part of the
 * state.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY, IO (the writer stopped), BUSY. Since ABI version 2.
 */
NNK_API nnk_status nnk_trainer_write_state(nnk_trainer *trainer, nnk_writer writer, void *user);

/* Makes the trainer and its model go on where the trainer was whose nnk_trainer_write_state wrote these `count` bytes:
 * parameters, optimizer, counters, and settings (nnk_trainer_set). The trainer must have been created with the same
 * loss, optimizer and metric, its model with the same graph and seed; nnk_model_read makes one of the same bytes. On
 * failure nothing has changed. `bytes` need no alignment and are not kept.
 * Returns: NNK_OK, INVALID_ARGUMENT (the state of another model, or of other options), INVALID_HANDLE, OUT_OF_MEMORY,
 * FORMAT (no whole state), BUSY, UNSUPPORTED (of a newer version). Since ABI version 2. */
NNK_API nnk_status nnk_trainer_read_state(nnk_trainer *trainer, const void *bytes, int64_t count);

/* ---------------------------------------------------------------------------------------------- session */

/* A model planned for running: one per thread. */
typedef struct nnk_session nnk_session;

/* Plans the model and allocates what its runs need. Options: max_batch=1, max_time=0 (the longest open time
 * dimension, for which every input is planned; 0: planned at the first run), max_bytes=0 (0: no limit below the
 * machine's memory). Inputs may have time dimensions of different sizes. The session keeps the model alive.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_session_create(nnk_model *model, const char *options, nnk_session **out);
NNK_API void nnk_session_destroy(nnk_session *session);

/* Runs the model on a batch of 1 to max_batch samples: reads `inputs`, [N, ...] each, writes `outputs`, whose
 * shapes must be exactly those of the results. A run with max_batch samples allocates nothing; any other
 * number is planned when it first comes.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, TYPE, OUT_OF_MEMORY, BUSY, CANCELLED. */
NNK_API nnk_status nnk_session_run(nnk_session *session, const nnk_tensor *inputs, int32_t n_inputs,
                                   nnk_tensor *outputs, int32_t n_outputs);

/* Ends the call that the session is in, nnk_session_run or nnk_streams_step, from any other thread: that call returns
 * NNK_ERROR_CANCELLED when the layer that it computes has ended, and has written no output and advanced no stream. Does
 * nothing where the session is in no call; one that begins later is not touched. The session can be used again. Not
 * from a signal handler: see "Signals" at the top.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY. Since ABI version 2. */
NNK_API nnk_status nnk_session_cancel(nnk_session *session);

/* How many bytes nnk_session_create would allocate for its plan with these options, to the byte; allocates none of
 * them, whatever max_bytes says. 0 where a time dimension is open and max_time is 0: nothing is planned before the
 * first run.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, SHAPE, OUT_OF_MEMORY. */
NNK_API nnk_status nnk_session_bytes(nnk_model *model, const char *options, int64_t *bytes);

/* -------------------------------------------------------------------------------------------- streaming */

/* The recurrent state of one running sequence, which is given and answered one time step at a time. */
typedef struct nnk_stream nnk_stream;

/* A stream at the start of a sequence. The model needs at least one recurrent layer; every other layer that a
 * sequence passes must act on each time step by itself (dense, embedding, batchnorm, activation, softmax, dropout,
 * add). The stream keeps the model alive and belongs to no session: any session of the model may advance it.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY, UNSUPPORTED (the model cannot be streamed; the
 * message names the layer). */
NNK_API nnk_status nnk_stream_create(nnk_model *model, nnk_stream **out);
NNK_API void nnk_stream_destroy(nnk_stream *stream);

/* Goes back to the start of a sequence.
 * Returns: NNK_OK, INVALID_ARGUMENT, INVALID_HANDLE, OUT_OF_MEMORY, BUSY. */
NNK_API nnk_status nnk_stream_reset(nnk_stream *stream);

/* Advances `n` different streams, 1 to max_batch, by one time step each. Row i of every tensor belongs to streams[i].
 * `inputs` are those of nnk_session_run without their time dimension, [n, ...]; lengths are 1. So are `outputs`: those
 * of this time step, and of a layer that returns its last state, the state that it has now. Step by step the numbers
 * are those of one nnk_session_run over the whole sequence, to the bit, but that a zero may change its sign.
 * On failure no stream has advanced. The first step with a number of streams plans it, any later one allocates
 * nothing; the session remembers the plans of the last four numbers. Between two calls the state is the stream's: sets
 * of streams may be mixed, and parameters may change, from step to step.
 * Returns: NNK_OK, INVALID_ARGUMENT (n, or a stream that is given twice or is of another model), INVALID_HANDLE, SHAPE,
 * TYPE, OUT_OF_MEMORY, BUSY (the session or a stream is in another call), CANCELLED. */
NNK_API nnk_status nnk_streams_step(nnk_session *session, nnk_stream *const *streams, int32_t n,
                                    const nnk_tensor *inputs, int32_t n_inputs, nnk_tensor *outputs, int32_t n_outputs);

#ifdef __cplusplus
}
#endif

#endif /* NNKIT_H */
