/* ffi.c: every function called through libffi, as dynamic languages call: with nothing known of the header but a
 * line for each function. argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"

#include <ffi.h>
#include <math.h>

/* The types of a function, one letter each, the result first.
 * v nothing, i int32, l int64, u uint32, p pointer or handle, t nnk_tensor by value. */
typedef struct signature {
    const char *name;
    const char *types;
} signature;

static const signature signatures[] = {
    {"nnk_version", "p"},
    {"nnk_abi_version", "u"},
    {"nnk_status_name", "pi"},
    {"nnk_last_error", "p"},
    {"nnk_tensor_view", "tpipi"},
    {"nnk_runtime_create", "ipp"},
    {"nnk_runtime_destroy", "vp"},
    {"nnk_runtime_info_json", "ipp"},
    {"nnk_shutdown", "v"},
    {"nnk_catalog_json", "p"},
    {"nnk_graph_create", "p"},
    {"nnk_graph_destroy", "vp"},
    {"nnk_graph_input", "ippipi"},
    {"nnk_graph_layer", "ipppi"},
    {"nnk_graph_layer_multi", "ippppipi"},
    {"nnk_graph_output", "ippi"},
    {"nnk_graph_shape", "ipipp"},
    {"nnk_model_create", "ipppp"},
    {"nnk_model_destroy", "vp"},
    {"nnk_model_save", "ipp"},
    {"nnk_model_load", "ippp"},
    {"nnk_model_write", "ippp"},
    {"nnk_model_read", "ipplp"},
    {"nnk_model_info_json", "ipp"},
    {"nnk_model_counts", "ippp"},
    {"nnk_model_input", "ipipppp"},
    {"nnk_model_output", "ipipppp"},
    {"nnk_model_parameters_view", "ipp"},
    {"nnk_model_parameters_changed", "ip"},
    {"nnk_dataset_create_from_arrays", "ipipip"},
    {"nnk_dataset_destroy", "vp"},
    {"nnk_trainer_create", "ippp"},
    {"nnk_trainer_destroy", "vp"},
    {"nnk_trainer_freeze", "ippip"},
    {"nnk_trainer_is_frozen", "ippp"},
    {"nnk_trainer_set", "ipp"},
    {"nnk_trainer_get", "ippp"},
    {"nnk_trainer_fit", "ippppp"},
    {"nnk_trainer_set_validation", "ipp"},
    {"nnk_trainer_evaluate", "ippppp"},
    {"nnk_trainer_evaluate_reporting", "ippppppp"},
    {"nnk_trainer_step", "ippipip"},
    {"nnk_trainer_gradients", "ippipip"},
    {"nnk_trainer_forward", "ippipi"},
    {"nnk_trainer_backward", "ippipi"},
    {"nnk_trainer_apply", "ip"},
    {"nnk_trainer_gradients_view", "ipp"},
    {"nnk_trainer_write_state", "ippp"},
    {"nnk_trainer_read_state", "ippl"},
    {"nnk_session_create", "ippp"},
    {"nnk_session_destroy", "vp"},
    {"nnk_session_run", "ippipi"},
    {"nnk_session_cancel", "ip"},
    {"nnk_session_bytes", "ippp"},
    {"nnk_stream_create", "ipp"},
    {"nnk_stream_destroy", "vp"},
    {"nnk_stream_reset", "ip"},
    {"nnk_streams_step", "ippipipi"},
};

enum { FUNCTIONS = sizeof signatures / sizeof signatures[0], MAXIMUM_ARGUMENTS = 8 };

static void *library;

static ffi_type *device_members[3], *dtype_members[4], *tensor_members[8];
static ffi_type device_type, dtype_type, tensor_type;

static void describe_tensor(void) {
    device_members[0] = device_members[1] = &ffi_type_sint32;
    device_type.type = FFI_TYPE_STRUCT, device_type.elements = device_members;
    dtype_members[0] = dtype_members[1] = &ffi_type_uint8, dtype_members[2] = &ffi_type_uint16;
    dtype_type.type = FFI_TYPE_STRUCT, dtype_type.elements = dtype_members;
    tensor_members[0] = &ffi_type_pointer, tensor_members[1] = &device_type, tensor_members[2] = &ffi_type_sint32;
    tensor_members[3] = &dtype_type, tensor_members[4] = tensor_members[5] = &ffi_type_pointer;
    tensor_members[6] = &ffi_type_uint64;
    tensor_type.type = FFI_TYPE_STRUCT, tensor_type.elements = tensor_members;
}

static ffi_type *type_of(char letter) {
    switch (letter) {
    case 'i':
        return &ffi_type_sint32;
    case 'l':
        return &ffi_type_sint64;
    case 'u':
        return &ffi_type_uint32;
    case 'p':
        return &ffi_type_pointer;
    case 't':
        return &tensor_type;
    default:
        return &ffi_type_void;
    }
}

/* An argument: a pointer or a number. */
typedef union value {
    const void *pointer;
    int32_t number;
    int64_t large;
} value;

/* What a call gave. libffi widens small results to a whole register. */
typedef union result {
    ffi_arg wide;
    void *pointer;
    nnk_tensor tensor;
} result;

static value pointer(const void *p) {
    value v;
    v.pointer = p;
    return v;
}

static value number(int32_t n) {
    value v;
    v.pointer = NULL;
    v.number = n;
    return v;
}

static value large(int64_t n) {
    value v;
    v.pointer = NULL;
    v.large = n;
    return v;
}

static result call_function(const signature *s, value *values) {
    ffi_cif cif;
    ffi_type *types[MAXIMUM_ARGUMENTS];
    void *arguments[MAXIMUM_ARGUMENTS];
    result r;
    void (*function)(void);
    void *address = nnkit_symbol(library, s->name);
    const unsigned count = (unsigned)strlen(s->types) - 1;
    unsigned i;
    memcpy(&function, &address, sizeof address);
    memset(&r, 0, sizeof r);
    for (i = 0; i < count; i++) {
        types[i] = type_of(s->types[i + 1]);
        arguments[i] = &values[i];
    }
    if (!CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, count, type_of(s->types[0]), types) == FFI_OK)) exit(3);
    ffi_call(&cif, function, &r, arguments);
    return r;
}

/* Calls a function by its name with up to eight values. */
static result call(const char *name, const value *values, size_t count) {
    value copies[MAXIMUM_ARGUMENTS];
    size_t i;
    memset(copies, 0, sizeof copies);
    if (count) memcpy(copies, values, count * sizeof *values);
    for (i = 0; i < FUNCTIONS; i++)
        if (strcmp(signatures[i].name, name) == 0) {
            if (!CHECK(strlen(signatures[i].types) == count + 1)) exit(3);
            return call_function(&signatures[i], copies);
        }
    fprintf(stderr, "no signature for %s\n", name);
    exit(3);
}

static nnk_status status_of(result r) { return (nnk_status)(int32_t)r.wide; }

/* Every function of the header has a line here, and takes NULL and 0 for everything. */
static void everything_takes_nothing(void) {
    size_t i, header = 0;
#define SAME_LINE(returned, function, parameters)                                                                      \
    check_true(header < FUNCTIONS && strcmp(signatures[header].name, #function) == 0, #function, __FILE__, __LINE__);  \
    header++;
    NNKIT_FUNCTIONS(SAME_LINE)
#undef SAME_LINE
    CHECK(header == FUNCTIONS);
    for (i = 0; i < FUNCTIONS; i++) {
        const signature *s = &signatures[i];
        value nothing[MAXIMUM_ARGUMENTS];
        result r;
        memset(nothing, 0, sizeof nothing);
        r = call_function(s, nothing);
        switch (s->types[0]) {
        case 'i': /* a status that is an error, or a value that is negative */
            check_true((int32_t)r.wide != 0, s->name, __FILE__, __LINE__);
            check_true(*nnk_last_error() != 0, s->name, __FILE__, __LINE__);
            break;
        case 'p':
            check_true(r.pointer != NULL, s->name, __FILE__, __LINE__);
            break;
        case 'u':
            check_true(r.wide == nnk_abi_version(), s->name, __FILE__, __LINE__);
            break;
        case 't':
            check_true(r.tensor.data == NULL && r.tensor.ndim == 0, s->name, __FILE__, __LINE__);
            break;
        default:
            check_true(1, s->name, __FILE__, __LINE__);
        }
    }
}

/* The same with numbers that are nobody's handle. */
static void everything_refuses_nonsense(void) {
    size_t i;
    for (i = 0; i < FUNCTIONS; i++) {
        const signature *s = &signatures[i];
        value nonsense[MAXIMUM_ARGUMENTS];
        result r;
        size_t j;
        memset(nonsense, 0, sizeof nonsense);
        for (j = 0; s->types[j + 1]; j++) {
            if (s->types[j + 1] == 'i')
                nonsense[j] = number(-7);
            else if (s->types[j + 1] == 'l')
                nonsense[j] = large(-7);
            /* Only the first argument is a handle in every function; a pointer to nowhere must stay NULL. */
            else if (j == 0 && s->types[0] == 'i' && strcmp(s->name, "nnk_runtime_create") != 0 &&
                     strcmp(s->name, "nnk_dataset_create_from_arrays") != 0)
                nonsense[j] = pointer((const void *)(uintptr_t)0x1234567);
            else if (j == 0 && s->types[0] == 'v')
                nonsense[j] = pointer((const void *)(uintptr_t)0x1234567);
        }
        r = call_function(s, nonsense);
        if (s->types[0] == 'i')
            check_true((int32_t)r.wide != 0, s->name, __FILE__, __LINE__);
        else
            check_true(1, s->name, __FILE__, __LINE__);
    }
}

/* What a writer was given. */
typedef struct written {
    unsigned char data[8192];
    int64_t count;
} written;

static int take(const void *bytes, int64_t count, void *user) {
    written *w = (written *)user;
    if (count < 1 || w->count + count > (int64_t)sizeof w->data) return 1;
    memcpy(w->data + w->count, bytes, (size_t)count);
    w->count += count;
    return 0;
}

/* A trainer's state, and its model's file, in memory. */
static void in_memory(void *model, void *trainer) {
    static written state, file, again;
    void *copy = NULL;
    value v[MAXIMUM_ARGUMENTS];
    nnk_writer writer = take;
    const void *address;
    memcpy(&address, &writer, sizeof address);
    v[0] = pointer(trainer), v[1] = pointer(address), v[2] = pointer(&state);
    CHECK_OK(status_of(call("nnk_trainer_write_state", v, 3)));
    v[1] = pointer(state.data), v[2] = large(state.count);
    CHECK_OK(status_of(call("nnk_trainer_read_state", v, 3)));
    v[0] = pointer(model), v[1] = pointer(address), v[2] = pointer(&file);
    CHECK_OK(status_of(call("nnk_model_write", v, 3)));
    v[0] = pointer(NULL), v[1] = pointer(state.data), v[2] = large(state.count), v[3] = pointer(&copy);
    CHECK_OK(status_of(call("nnk_model_read", v, 4)));
    v[0] = pointer(copy), v[1] = pointer(address), v[2] = pointer(&again);
    CHECK_OK(status_of(call("nnk_model_write", v, 3)));
    CHECK(file.count > 0 && state.count > file.count && again.count == file.count);
    CHECK(memcmp(file.data, again.data, (size_t)file.count) == 0);
    call("nnk_model_destroy", v, 1);
}

/* Describe, train, save, load, run. */
static void a_small_program(void) {
    float x[8] = {0, 0, 0, 1, 1, 0, 1, 1}, y[4] = {0, 1, 1, 2}, out[4] = {0};
    const int64_t in_shape[2] = {4, 2}, out_shape[2] = {4, 1}, sample[1] = {2};
    nnk_tensor in, to, predicted;
    void *model = NULL, *trainer = NULL, *dataset = NULL, *session = NULL, *loaded = NULL, *graph;
    double first = 0, loss = 0, rate = 0;
    char *folder = temporary_folder(), *path = path_in(folder, "model.nnkit");
    value v[MAXIMUM_ARGUMENTS];
    int32_t input, layer;
    graph = call("nnk_graph_create", v, 0).pointer;
    v[0] = pointer(graph), v[1] = pointer("x"), v[2] = number(NNK_FLOAT32), v[3] = pointer(sample), v[4] = number(1);
    input = (int32_t)call("nnk_graph_input", v, 5).wide;
    v[1] = pointer("dense"), v[2] = pointer("units=1"), v[3] = number(input);
    layer = (int32_t)call("nnk_graph_layer", v, 4).wide;
    CHECK(input >= 0 && layer > input);
    v[1] = pointer("y"), v[2] = number(layer);
    CHECK_OK(status_of(call("nnk_graph_output", v, 3)));
    v[0] = pointer(NULL), v[1] = pointer(graph), v[2] = pointer("seed=1"), v[3] = pointer(&model);
    CHECK_OK(status_of(call("nnk_model_create", v, 4)));
    v[0] = pointer(x), v[1] = number(NNK_FLOAT32), v[2] = pointer(in_shape), v[3] = number(2);
    in = call("nnk_tensor_view", v, 4).tensor;
    CHECK(in.data == x && in.ndim == 2 && in.dtype.bits == 32 && in.shape == in_shape);
    v[0] = pointer(y), v[2] = pointer(out_shape);
    to = call("nnk_tensor_view", v, 4).tensor;
    v[0] = pointer(out);
    predicted = call("nnk_tensor_view", v, 4).tensor;
    v[0] = pointer(&in), v[1] = number(1), v[2] = pointer(&to), v[3] = number(1), v[4] = pointer(&dataset);
    CHECK_OK(status_of(call("nnk_dataset_create_from_arrays", v, 5)));
    v[0] = pointer(model), v[1] = pointer("loss=mean_squared_error optimizer=sgd learning_rate=0.2");
    v[2] = pointer(&trainer);
    CHECK_OK(status_of(call("nnk_trainer_create", v, 3)));
    v[0] = pointer(trainer), v[1] = pointer(&in), v[2] = number(1), v[3] = pointer(&to), v[4] = number(1);
    v[5] = pointer(&first);
    CHECK_OK(status_of(call("nnk_trainer_step", v, 6)));
    v[1] = pointer("learning_rate=0.1");
    CHECK_OK(status_of(call("nnk_trainer_set", v, 2)));
    v[1] = pointer("learning_rate"), v[2] = pointer(&rate);
    CHECK_OK(status_of(call("nnk_trainer_get", v, 3)));
    CHECK(rate == 0.1);
    v[1] = pointer(dataset), v[2] = pointer("epochs=600 batch_size=4"), v[3] = v[4] = pointer(NULL);
    CHECK_OK(status_of(call("nnk_trainer_fit", v, 5)));
    v[2] = pointer(NULL), v[3] = pointer(&loss);
    CHECK_OK(status_of(call("nnk_trainer_evaluate", v, 5)));
    CHECK(loss < 1e-4 && loss < first);
    v[3] = pointer(&first), v[4] = v[5] = v[6] = pointer(NULL);
    CHECK_OK(status_of(call("nnk_trainer_evaluate_reporting", v, 7)));
    CHECK(first == loss);
    in_memory(model, trainer);
    v[0] = pointer(model), v[1] = pointer(path);
    CHECK_OK(status_of(call("nnk_model_save", v, 2)));
    v[0] = pointer(NULL), v[2] = pointer(&loaded);
    CHECK_OK(status_of(call("nnk_model_load", v, 3)));
    v[0] = pointer(loaded), v[1] = pointer("max_batch=4"), v[2] = pointer(&session);
    CHECK_OK(status_of(call("nnk_session_create", v, 3)));
    v[0] = pointer(session), v[1] = pointer(&in), v[2] = number(1), v[3] = pointer(&predicted), v[4] = number(1);
    CHECK_OK(status_of(call("nnk_session_run", v, 5)));
    CHECK(fabsf(out[0]) < 0.05f && fabsf(out[3] - 2) < 0.05f);
    v[0] = pointer(session), call("nnk_session_destroy", v, 1);
    v[0] = pointer(trainer), call("nnk_trainer_destroy", v, 1);
    v[0] = pointer(dataset), call("nnk_dataset_destroy", v, 1);
    v[0] = pointer(loaded), call("nnk_model_destroy", v, 1);
    v[0] = pointer(model), call("nnk_model_destroy", v, 1);
    v[0] = pointer(graph), call("nnk_graph_destroy", v, 1);
    unlink(path), rmdir(folder);
    free(path), free(folder);
}

int main(int argc, char **argv) {
    library = dlopen(argc > 1 ? argv[1] : "libnnkit.so", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    nnkit_resolve(library);
    describe_tensor();
    everything_takes_nothing();
    everything_refuses_nonsense();
    a_small_program();
    return check_summary();
}
