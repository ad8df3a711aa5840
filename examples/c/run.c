/* run.c: loads the network that train.c saved, and names what is in new images.
 *
 *     cc run.c -lnnkit -lm -o run && ./run shapes.nnkit
 */
#include <nnkit.h>
#include <stdio.h>

#include "shapes.h"

enum { N = 16 };

int main(int argc, char **argv) {
    static float images[N * SHAPE_PIXELS], logits[N * SHAPE_KINDS];
    static int32_t labels[N];
    const int64_t images_shape[4] = {N, SHAPE_SIZE, SHAPE_SIZE, 1}, logits_shape[2] = {N, SHAPE_KINDS};
    nnk_tensor in = nnk_tensor_view(images, NNK_FLOAT32, images_shape, 4);
    nnk_tensor out = nnk_tensor_view(logits, NNK_FLOAT32, logits_shape, 2);
    nnk_model *m = NULL;
    nnk_session *s = NULL;
    int right = 0;
    draw_shapes(images, labels, N, 2); /* not those of the training */

    /* One session per thread; a run allocates nothing. */
    nnk_status status = nnk_model_load(NULL, argc > 1 ? argv[1] : "shapes.nnkit", &m);
    if (!status) status = nnk_session_create(m, "max_batch=16", &s);
    if (!status) status = nnk_session_run(s, &in, 1, &out, 1);
    if (status) fprintf(stderr, "%s\n", nnk_last_error());
    for (int i = 0; i < N && !status; i++) {
        const float *row = logits + i * SHAPE_KINDS;
        const int guess = row[0] >= row[1] ? (row[0] >= row[2] ? 0 : 2) : (row[1] >= row[2] ? 1 : 2);
        printf("%-6s  %-6s  %9.6f %9.6f %9.6f\n", shape_names[guess], guess == labels[i] ? "right" : "wrong", row[0],
               row[1], row[2]);
        right += guess == labels[i];
    }
    if (!status) printf("%d of %d right\n", right, N);
    nnk_session_destroy(s);
    nnk_model_destroy(m);
    return status != NNK_OK;
}
