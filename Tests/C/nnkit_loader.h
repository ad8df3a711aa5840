/* nnkit_loader.h: every function of nnkit.h, found in a library that is loaded while the program runs.
 *
 * A program includes this file, calls nnkit_load(path) once, and then uses the functions by their own names.
 * With NNKIT_LINKED defined it is an ordinary program that was linked with -lnnkit, and nnkit_load does nothing:
 * one source tests both ways.
 *
 * NNKIT_FUNCTIONS is the one list. The compiler holds each row against the header (see nnkit_rows_fit_header),
 * and Tests/C/run.sh compares the names with the header's.
 */
#ifndef NNKIT_LOADER_H
#define NNKIT_LOADER_H

#include <nnkit.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* X(result, name, parameters) */
#define NNKIT_FUNCTIONS(X)                                                                                             \
    X(const char *, nnk_version, (void))                                                                               \
    X(uint32_t, nnk_abi_version, (void))                                                                               \
    X(const char *, nnk_status_name, (nnk_status))                                                                     \
    X(const char *, nnk_last_error, (void))                                                                            \
    X(nnk_tensor, nnk_tensor_view, (void *, nnk_dtype, const int64_t *, int32_t))                                      \
    X(nnk_status, nnk_runtime_create, (const char *, nnk_runtime **))                                                  \
    X(void, nnk_runtime_destroy, (nnk_runtime *))                                                                      \
    X(nnk_status, nnk_runtime_info_json, (nnk_runtime *, const char **))                                               \
    X(void, nnk_shutdown, (void))                                                                                      \
    X(const char *, nnk_catalog_json, (void))                                                                          \
    X(nnk_graph *, nnk_graph_create, (void))                                                                           \
    X(void, nnk_graph_destroy, (nnk_graph *))                                                                          \
    X(nnk_value, nnk_graph_input, (nnk_graph *, const char *, nnk_dtype, const int64_t *, int32_t))                    \
    X(nnk_value, nnk_graph_layer, (nnk_graph *, const char *, const char *, nnk_value))                                \
    X(nnk_status, nnk_graph_layer_multi,                                                                               \
      (nnk_graph *, const char *, const char *, const nnk_value *, int32_t, nnk_value *, int32_t))                     \
    X(nnk_status, nnk_graph_output, (nnk_graph *, const char *, nnk_value))                                            \
    X(nnk_status, nnk_graph_shape, (nnk_graph *, nnk_value, int64_t *, int32_t *))                                     \
    X(nnk_status, nnk_model_create, (nnk_runtime *, nnk_graph *, const char *, nnk_model **))                          \
    X(void, nnk_model_destroy, (nnk_model *))                                                                          \
    X(nnk_status, nnk_model_save, (nnk_model *, const char *))                                                         \
    X(nnk_status, nnk_model_load, (nnk_runtime *, const char *, nnk_model **))                                         \
    X(nnk_status, nnk_model_write, (nnk_model *, nnk_writer, void *))                                                  \
    X(nnk_status, nnk_model_read, (nnk_runtime *, const void *, int64_t, nnk_model **))                                \
    X(nnk_status, nnk_model_info_json, (nnk_model *, const char **))                                                   \
    X(nnk_status, nnk_model_counts, (nnk_model *, int32_t *, int32_t *))                                               \
    X(nnk_status, nnk_model_input, (nnk_model *, int32_t, const char **, nnk_dtype *, int64_t *, int32_t *))           \
    X(nnk_status, nnk_model_output, (nnk_model *, int32_t, const char **, nnk_dtype *, int64_t *, int32_t *))          \
    X(nnk_status, nnk_model_parameters_view, (nnk_model *, nnk_tensor *))                                              \
    X(nnk_status, nnk_model_parameters_changed, (nnk_model *))                                                         \
    X(nnk_status, nnk_dataset_create_from_arrays,                                                                      \
      (const nnk_tensor *, int32_t, const nnk_tensor *, int32_t, nnk_dataset **))                                      \
    X(void, nnk_dataset_destroy, (nnk_dataset *))                                                                      \
    X(nnk_status, nnk_trainer_create, (nnk_model *, const char *, nnk_trainer **))                                     \
    X(void, nnk_trainer_destroy, (nnk_trainer *))                                                                      \
    X(nnk_status, nnk_trainer_freeze, (nnk_trainer *, const char *, int32_t, int32_t *))                               \
    X(nnk_status, nnk_trainer_is_frozen, (nnk_trainer *, const char *, int32_t *))                                     \
    X(nnk_status, nnk_trainer_set, (nnk_trainer *, const char *))                                                      \
    X(nnk_status, nnk_trainer_get, (nnk_trainer *, const char *, double *))                                            \
    X(nnk_status, nnk_trainer_fit, (nnk_trainer *, nnk_dataset *, const char *, nnk_progress_callback, void *))        \
    X(nnk_status, nnk_trainer_set_validation, (nnk_trainer *, nnk_dataset *))                                          \
    X(nnk_status, nnk_trainer_evaluate, (nnk_trainer *, nnk_dataset *, const char *, double *, double *))              \
    X(nnk_status, nnk_trainer_evaluate_reporting,                                                                      \
      (nnk_trainer *, nnk_dataset *, const char *, double *, double *, nnk_progress_callback, void *))                 \
    X(nnk_status, nnk_trainer_step,                                                                                    \
      (nnk_trainer *, const nnk_tensor *, int32_t, const nnk_tensor *, int32_t, double *))                             \
    X(nnk_status, nnk_trainer_gradients,                                                                               \
      (nnk_trainer *, const nnk_tensor *, int32_t, const nnk_tensor *, int32_t, double *))                             \
    X(nnk_status, nnk_trainer_forward, (nnk_trainer *, const nnk_tensor *, int32_t, nnk_tensor *, int32_t))            \
    X(nnk_status, nnk_trainer_backward, (nnk_trainer *, const nnk_tensor *, int32_t, nnk_tensor *, int32_t))           \
    X(nnk_status, nnk_trainer_apply, (nnk_trainer *))                                                                  \
    X(nnk_status, nnk_trainer_gradients_view, (nnk_trainer *, nnk_tensor *))                                           \
    X(nnk_status, nnk_trainer_write_state, (nnk_trainer *, nnk_writer, void *))                                        \
    X(nnk_status, nnk_trainer_read_state, (nnk_trainer *, const void *, int64_t))                                      \
    X(nnk_status, nnk_session_create, (nnk_model *, const char *, nnk_session **))                                     \
    X(void, nnk_session_destroy, (nnk_session *))                                                                      \
    X(nnk_status, nnk_session_run, (nnk_session *, const nnk_tensor *, int32_t, nnk_tensor *, int32_t))                \
    X(nnk_status, nnk_session_cancel, (nnk_session *))                                                                 \
    X(nnk_status, nnk_session_bytes, (nnk_model *, const char *, int64_t *))                                           \
    X(nnk_status, nnk_stream_create, (nnk_model *, nnk_stream **))                                                     \
    X(void, nnk_stream_destroy, (nnk_stream *))                                                                        \
    X(nnk_status, nnk_stream_reset, (nnk_stream *))                                                                    \
    X(nnk_status, nnk_streams_step,                                                                                    \
      (nnk_session *, nnk_stream *const *, int32_t, const nnk_tensor *, int32_t, nnk_tensor *, int32_t))

#ifdef NNKIT_LINKED

static inline void nnkit_load(const char *path) { (void)path; }

#else

typedef struct nnkit_functions_table {
#define NNKIT_MEMBER(result, name, parameters) result(*name) parameters;
    NNKIT_FUNCTIONS(NNKIT_MEMBER)
#undef NNKIT_MEMBER
} nnkit_functions_table;

static nnkit_functions_table nnkit_functions;

/* Does not compile where a row differs from the header: pointers to functions of different types cannot be
 * compared. sizeof evaluates nothing, so the program still needs no library to link with. */
static inline int nnkit_rows_fit_header(void) {
    int fitting = 0;
#define NNKIT_COMPARE(result, name, parameters) fitting += sizeof(nnkit_functions.name == &name) != 0;
    NNKIT_FUNCTIONS(NNKIT_COMPARE)
#undef NNKIT_COMPARE
    return fitting;
}

/* The address of a symbol of the library; ends the program where it is missing. */
static inline void *nnkit_symbol(void *library, const char *name) {
    void *address = dlsym(library, name);
    if (!address) {
        fprintf(stderr, "the library lacks %s: %s\n", name, dlerror());
        exit(2);
    }
    return address;
}

/* Fills the table from a library that is open already. */
static inline void nnkit_resolve(void *library) {
    void *address = NULL;
    (void)nnkit_rows_fit_header;
    /* memcpy: C99 has no conversion from an object pointer to a function pointer. */
#define NNKIT_RESOLVE(result, name, parameters)                                                                        \
    address = nnkit_symbol(library, #name);                                                                            \
    memcpy(&nnkit_functions.name, &address, sizeof address);
    NNKIT_FUNCTIONS(NNKIT_RESOLVE)
#undef NNKIT_RESOLVE
}

/* Opens the library at `path` and fills the table; ends the program where that fails. */
static inline void nnkit_load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "cannot load %s: %s\n", path, dlerror());
        exit(2);
    }
    nnkit_resolve(library);
}

#define nnk_version                    nnkit_functions.nnk_version
#define nnk_abi_version                nnkit_functions.nnk_abi_version
#define nnk_status_name                nnkit_functions.nnk_status_name
#define nnk_last_error                 nnkit_functions.nnk_last_error
#define nnk_tensor_view                nnkit_functions.nnk_tensor_view
#define nnk_runtime_create             nnkit_functions.nnk_runtime_create
#define nnk_runtime_destroy            nnkit_functions.nnk_runtime_destroy
#define nnk_runtime_info_json          nnkit_functions.nnk_runtime_info_json
#define nnk_shutdown                   nnkit_functions.nnk_shutdown
#define nnk_catalog_json               nnkit_functions.nnk_catalog_json
#define nnk_graph_create               nnkit_functions.nnk_graph_create
#define nnk_graph_destroy              nnkit_functions.nnk_graph_destroy
#define nnk_graph_input                nnkit_functions.nnk_graph_input
#define nnk_graph_layer                nnkit_functions.nnk_graph_layer
#define nnk_graph_layer_multi          nnkit_functions.nnk_graph_layer_multi
#define nnk_graph_output               nnkit_functions.nnk_graph_output
#define nnk_graph_shape                nnkit_functions.nnk_graph_shape
#define nnk_model_create               nnkit_functions.nnk_model_create
#define nnk_model_destroy              nnkit_functions.nnk_model_destroy
#define nnk_model_save                 nnkit_functions.nnk_model_save
#define nnk_model_load                 nnkit_functions.nnk_model_load
#define nnk_model_write                nnkit_functions.nnk_model_write
#define nnk_model_read                 nnkit_functions.nnk_model_read
#define nnk_model_info_json            nnkit_functions.nnk_model_info_json
#define nnk_model_counts               nnkit_functions.nnk_model_counts
#define nnk_model_input                nnkit_functions.nnk_model_input
#define nnk_model_output               nnkit_functions.nnk_model_output
#define nnk_model_parameters_view      nnkit_functions.nnk_model_parameters_view
#define nnk_model_parameters_changed   nnkit_functions.nnk_model_parameters_changed
#define nnk_dataset_create_from_arrays nnkit_functions.nnk_dataset_create_from_arrays
#define nnk_dataset_destroy            nnkit_functions.nnk_dataset_destroy
#define nnk_trainer_create             nnkit_functions.nnk_trainer_create
#define nnk_trainer_destroy            nnkit_functions.nnk_trainer_destroy
#define nnk_trainer_freeze             nnkit_functions.nnk_trainer_freeze
#define nnk_trainer_is_frozen          nnkit_functions.nnk_trainer_is_frozen
#define nnk_trainer_set                nnkit_functions.nnk_trainer_set
#define nnk_trainer_get                nnkit_functions.nnk_trainer_get
#define nnk_trainer_fit                nnkit_functions.nnk_trainer_fit
#define nnk_trainer_set_validation     nnkit_functions.nnk_trainer_set_validation
#define nnk_trainer_evaluate           nnkit_functions.nnk_trainer_evaluate
#define nnk_trainer_evaluate_reporting nnkit_functions.nnk_trainer_evaluate_reporting
#define nnk_trainer_step               nnkit_functions.nnk_trainer_step
#define nnk_trainer_gradients          nnkit_functions.nnk_trainer_gradients
#define nnk_trainer_forward            nnkit_functions.nnk_trainer_forward
#define nnk_trainer_backward           nnkit_functions.nnk_trainer_backward
#define nnk_trainer_apply              nnkit_functions.nnk_trainer_apply
#define nnk_trainer_gradients_view     nnkit_functions.nnk_trainer_gradients_view
#define nnk_trainer_write_state        nnkit_functions.nnk_trainer_write_state
#define nnk_trainer_read_state         nnkit_functions.nnk_trainer_read_state
#define nnk_session_create             nnkit_functions.nnk_session_create
#define nnk_session_destroy            nnkit_functions.nnk_session_destroy
#define nnk_session_run                nnkit_functions.nnk_session_run
#define nnk_session_cancel             nnkit_functions.nnk_session_cancel
#define nnk_session_bytes              nnkit_functions.nnk_session_bytes
#define nnk_stream_create              nnkit_functions.nnk_stream_create
#define nnk_stream_destroy             nnkit_functions.nnk_stream_destroy
#define nnk_stream_reset               nnkit_functions.nnk_stream_reset
#define nnk_streams_step               nnkit_functions.nnk_streams_step

#endif /* NNKIT_LINKED */

#endif /* NNKIT_LOADER_H */
