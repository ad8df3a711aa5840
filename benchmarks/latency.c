/* latency run   LIBRARY MODEL INPUT_SHAPE OUTPUT_SHAPE
 * latency step  LIBRARY MODEL INPUT_SHAPE OUTPUT_SHAPE
 * latency start LIBRARY MODEL INPUT_SHAPE OUTPUT_SHAPE
 *
 * What a C program pays for a prediction. Shapes are sizes with commas and begin with the batch: 1,28,28,1.
 *
 * run: answers as worker.py does: one line when it is ready, then, for each line with a number of runs on the standard
 * input, the seconds of each as a list. step: the same with time steps of streams; the shapes are without time. start:
 * prints the seconds from before the library is loaded until the first prediction of the model is there.
 */
#define _POSIX_C_SOURCE 200809L
#include "nnkit_loader.h"

#include <time.h>

#define MAX_RANK 8

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void require(nnk_status status) {
    if (status == NNK_OK) return;
    fprintf(stderr, "latency: %s: %s\n", nnk_status_name(status), nnk_last_error());
    exit(1);
}

/* A zeroed tensor; `shape` has room for MAX_RANK sizes. */
static nnk_tensor make_tensor(const char *text, int64_t *shape) {
    int32_t rank = 0;
    size_t count = 1;
    for (const char *at = text; *at && rank < MAX_RANK; rank++) {
        char *end;
        shape[rank] = strtoll(at, &end, 10);
        count *= (size_t)shape[rank];
        at = *end == ',' ? end + 1 : end;
    }
    float *data = calloc(count, sizeof *data);
    if (!data) {
        fprintf(stderr, "latency: no memory for a tensor of shape %s\n", text);
        exit(1);
    }
    return nnk_tensor_view(data, NNK_FLOAT32, shape, rank);
}

/* A run, or, with streams, a step of them. */
static void run(nnk_session *session, nnk_stream *const *streams, nnk_tensor *in, nnk_tensor *out) {
    if (streams)
        require(nnk_streams_step(session, streams, (int32_t)in->shape[0], in, 1, out, 1));
    else
        require(nnk_session_run(session, in, 1, out, 1));
}

static void answer_runs(nnk_session *session, nnk_stream *const *streams, nnk_tensor *in, nnk_tensor *out) {
    printf("{\"ready\": true}\n");
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        const long runs = atol(line);
        double *seconds = malloc(sizeof *seconds * (size_t)(runs > 0 ? runs : 1));
        if (!seconds) exit(1);
        for (long i = 0; i < runs; i++) {
            const double begin = now();
            run(session, streams, in, out);
            seconds[i] = now() - begin;
        }
        for (long i = 0; i < runs; i++) printf("%c%.9f", i ? ',' : '[', seconds[i]);
        printf("%s]\n", runs > 0 ? "" : "[");
        fflush(stdout);
        free(seconds);
    }
}

int main(int argc, char **argv) {
    if (argc != 6 || (strcmp(argv[1], "run") && strcmp(argv[1], "step") && strcmp(argv[1], "start"))) {
        fprintf(stderr, "usage: latency run|step|start LIBRARY MODEL INPUT_SHAPE OUTPUT_SHAPE\n");
        return 2;
    }
    const double begin = now();
    nnkit_load(argv[2]);
    nnk_model *model = NULL;
    nnk_session *session = NULL;
    int64_t in_shape[MAX_RANK], out_shape[MAX_RANK];
    nnk_tensor in = make_tensor(argv[4], in_shape), out = make_tensor(argv[5], out_shape);
    char options[64];
    snprintf(options, sizeof options, "max_batch=%lld", (long long)in_shape[0]);
    require(nnk_model_load(NULL, argv[3], &model));
    require(nnk_session_create(model, options, &session));
    nnk_stream **streams = NULL;
    const int64_t count = strcmp(argv[1], "step") ? 0 : in_shape[0];
    if (count > 0 && !(streams = malloc((size_t)count * sizeof *streams))) return 1;
    for (int64_t i = 0; i < count; i++) require(nnk_stream_create(model, &streams[i]));
    run(session, streams, &in, &out);
    if (!strcmp(argv[1], "start")) {
        printf("%.9f\n", now() - begin);
    } else {
        answer_runs(session, streams, &in, &out);
    }
    for (int64_t i = 0; i < count; i++) nnk_stream_destroy(streams[i]);
    free(streams);
    nnk_session_destroy(session);
    nnk_model_destroy(model);
    free(in.data);
    free(out.data);
    return 0;
}
