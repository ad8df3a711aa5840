/* abi.c: what a program compiled against the header relies on: layouts, numbers, versions, and one last error a
 * thread. argv[1]: the library. */
#include "nnkit_loader.h"

#include "check.h"

#include <pthread.h>
#include <stddef.h>

#if defined(__has_include)
#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#define HAS_DLPACK 1
#endif
#endif

#define CHECK_OFFSET(type, member, bytes) CHECK(offsetof(type, member) == (bytes))

/* The layout of nnk_tensor by numbers, as DLPack fixes it for 64-bit processors. */
static void tensor_layout(void) {
    CHECK(sizeof(nnk_tensor) == 48);
    CHECK_OFFSET(nnk_tensor, data, 0);
    CHECK_OFFSET(nnk_tensor, device, 8);
    CHECK_OFFSET(nnk_tensor, device.device_type, 8);
    CHECK_OFFSET(nnk_tensor, device.device_id, 12);
    CHECK_OFFSET(nnk_tensor, ndim, 16);
    CHECK_OFFSET(nnk_tensor, dtype, 20);
    CHECK_OFFSET(nnk_tensor, dtype.code, 20);
    CHECK_OFFSET(nnk_tensor, dtype.bits, 21);
    CHECK_OFFSET(nnk_tensor, dtype.lanes, 22);
    CHECK_OFFSET(nnk_tensor, shape, 24);
    CHECK_OFFSET(nnk_tensor, strides, 32);
    CHECK_OFFSET(nnk_tensor, byte_offset, 40);
}

#ifdef HAS_DLPACK
#define CHECK_SAME(member, dlpack_member)                                                                              \
    do {                                                                                                               \
        CHECK(offsetof(nnk_tensor, member) == offsetof(DLTensor, dlpack_member));                                      \
        CHECK(sizeof tensor.member == sizeof dlpack.dlpack_member);                                                    \
    } while (0)

/* The same against DLPack's own header, and a view read through DLPack's type. */
static void tensor_is_dlpack(void) {
    float data[6] = {0, 1, 2, 3, 4, 5};
    const int64_t shape[2] = {2, 3};
    nnk_tensor tensor = nnk_tensor_view(data, NNK_FLOAT32, shape, 2);
    DLTensor dlpack;
    CHECK(sizeof(nnk_tensor) == sizeof(DLTensor));
    CHECK_SAME(data, data);
    CHECK_SAME(device.device_type, device.device_type);
    CHECK_SAME(device.device_id, device.device_id);
    CHECK_SAME(ndim, ndim);
    CHECK_SAME(dtype.code, dtype.code);
    CHECK_SAME(dtype.bits, dtype.bits);
    CHECK_SAME(dtype.lanes, dtype.lanes);
    CHECK_SAME(shape, shape);
    CHECK_SAME(strides, strides);
    CHECK_SAME(byte_offset, byte_offset);
    memcpy(&dlpack, &tensor, sizeof dlpack);
    CHECK(dlpack.device.device_type == kDLCPU && dlpack.device.device_id == 0);
    CHECK(dlpack.dtype.code == kDLFloat && dlpack.dtype.bits == 32 && dlpack.dtype.lanes == 1);
    CHECK(dlpack.ndim == 2 && dlpack.shape[1] == 3 && dlpack.data == data && dlpack.strides == NULL);
    tensor = nnk_tensor_view(data, NNK_INT64, shape, 2);
    memcpy(&dlpack, &tensor, sizeof dlpack);
    CHECK(dlpack.dtype.code == kDLInt && dlpack.dtype.bits == 64);
}
#endif

static void progress_layout(void) {
    CHECK(sizeof(nnk_progress) == 72);
    CHECK_OFFSET(nnk_progress, struct_bytes, 0);
    CHECK_OFFSET(nnk_progress, event, 4);
    CHECK_OFFSET(nnk_progress, epoch, 8);
    CHECK_OFFSET(nnk_progress, epochs, 12);
    CHECK_OFFSET(nnk_progress, step, 16);
    CHECK_OFFSET(nnk_progress, steps, 24);
    CHECK_OFFSET(nnk_progress, loss, 32);
    CHECK_OFFSET(nnk_progress, metric, 40);
    CHECK_OFFSET(nnk_progress, train_metric, 48);
    CHECK_OFFSET(nnk_progress, validation_loss, 56);
    CHECK_OFFSET(nnk_progress, seconds, 64);
    CHECK(sizeof(nnk_status) == 4 && sizeof(nnk_value) == 4 && sizeof(nnk_dtype) == 4);
    CHECK(NNK_EVENT_STEP == 0 && NNK_EVENT_EPOCH == 1);
}

static void versions(void) {
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", NNK_VERSION_MAJOR, NNK_VERSION_MINOR, NNK_VERSION_PATCH);
    CHECK(strcmp(nnk_version(), expected) == 0);
    CHECK(nnk_version() == nnk_version());
    CHECK(nnk_abi_version() >= NNK_ABI_VERSION);
}

static void status_names(void) {
    static const struct {
        nnk_status status;
        int32_t number;
        const char *name;
    } codes[] = {
        {NNK_OK, 0, "NNK_OK"},
        {NNK_ERROR_INVALID_ARGUMENT, 1, "NNK_ERROR_INVALID_ARGUMENT"},
        {NNK_ERROR_INVALID_HANDLE, 2, "NNK_ERROR_INVALID_HANDLE"},
        {NNK_ERROR_SHAPE, 3, "NNK_ERROR_SHAPE"},
        {NNK_ERROR_TYPE, 4, "NNK_ERROR_TYPE"},
        {NNK_ERROR_OUT_OF_MEMORY, 5, "NNK_ERROR_OUT_OF_MEMORY"},
        {NNK_ERROR_IO, 6, "NNK_ERROR_IO"},
        {NNK_ERROR_FORMAT, 7, "NNK_ERROR_FORMAT"},
        {NNK_ERROR_NUMERIC, 8, "NNK_ERROR_NUMERIC"},
        {NNK_ERROR_BUSY, 9, "NNK_ERROR_BUSY"},
        {NNK_ERROR_UNSUPPORTED, 10, "NNK_ERROR_UNSUPPORTED"},
        {NNK_ERROR_INTERNAL, 11, "NNK_ERROR_INTERNAL"},
        {NNK_ERROR_CANCELLED, 12, "NNK_ERROR_CANCELLED"},
    };
    size_t i;
    for (i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        CHECK(codes[i].status == codes[i].number);
        CHECK(strcmp(nnk_status_name(codes[i].status), codes[i].name) == 0);
    }
    CHECK(strcmp(nnk_status_name(13), "unknown status") == 0);
    CHECK(strcmp(nnk_status_name(-1), "unknown status") == 0);
    CHECK(strcmp(nnk_status_name(INT32_MAX), "unknown status") == 0);
    CHECK(strcmp(nnk_status_name(INT32_MIN), "unknown status") == 0);
    CHECK(nnk_status_name(3) == nnk_status_name(3));
}

static void tensor_views(void) {
    float data[24];
    const int64_t shape[3] = {2, 3, 4};
    nnk_tensor view = nnk_tensor_view(data, NNK_FLOAT32, shape, 3);
    CHECK(view.data == data && view.byte_offset == 0 && view.ndim == 3);
    CHECK(view.shape == shape && view.strides == NULL);
    CHECK(view.device.device_type == 1 && view.device.device_id == 0);
    CHECK(view.dtype.code == 2 && view.dtype.bits == 32 && view.dtype.lanes == 1);
    view = nnk_tensor_view(data, NNK_INT32, shape, 1);
    CHECK(view.dtype.code == 0 && view.dtype.bits == 32 && view.dtype.lanes == 1 && view.ndim == 1);
    view = nnk_tensor_view(data, NNK_INT64, shape, 0);
    CHECK(view.dtype.code == 0 && view.dtype.bits == 64 && view.ndim == 0);
}

typedef struct thread_errors {
    char before[8];
    char after[256];
    nnk_status status;
} thread_errors;

static void *failing_thread(void *argument) {
    thread_errors *errors = (thread_errors *)argument;
    nnk_runtime *runtime = NULL;
    snprintf(errors->before, sizeof errors->before, "%s", nnk_last_error());
    errors->status = nnk_runtime_create("threads=many", &runtime);
    snprintf(errors->after, sizeof errors->after, "%s", nnk_last_error());
    return NULL;
}

/* A failure in one thread is not seen in another. */
static void last_error_is_per_thread(void) {
    thread_errors errors;
    pthread_t thread;
    nnk_model *model = NULL;
    char mine[256];
    memset(&errors, 0, sizeof errors);
    CHECK(strcmp(nnk_last_error(), "") == 0);
    CHECK_STATUS(nnk_model_load(NULL, "no such file.nnkit", &model), NNK_ERROR_IO);
    snprintf(mine, sizeof mine, "%s", nnk_last_error());
    CHECK(strstr(mine, "no such file.nnkit") != NULL);
    CHECK(pthread_create(&thread, NULL, failing_thread, &errors) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(strcmp(errors.before, "") == 0);
    CHECK(errors.status == NNK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(errors.after, "threads") != NULL);
    CHECK(strcmp(nnk_last_error(), mine) == 0);
    /* A call that works leaves the message as it is. */
    nnk_graph_destroy(nnk_graph_create());
    CHECK(strcmp(nnk_last_error(), mine) == 0);
}

int main(int argc, char **argv) {
    nnkit_load(argc > 1 ? argv[1] : "libnnkit.so");
    last_error_is_per_thread();
    tensor_layout();
#ifdef HAS_DLPACK
    tensor_is_dlpack();
#else
    fprintf(stderr, "dlpack/dlpack.h is not installed: layouts are compared with numbers alone\n");
#endif
    progress_layout();
    versions();
    status_names();
    tensor_views();
    return check_summary();
}
