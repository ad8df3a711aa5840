/* train.c: trains a small convolutional network and saves it.
 *
 *     cc train.c -lnnkit -lm -o train && ./train shapes.nnkit
 */
#include <nnkit.h>
#include <stdio.h>
#include <stdlib.h>

#include "shapes.h"

static int progress(const nnk_progress *p, void *user) { /* return non-zero to stop early */
    (void)user;
    printf("epoch %d/%d  loss %.4f  val accuracy %.4f\n", p->epoch, p->epochs, p->loss, p->metric);
    return 0;
}

static nnk_status train(const float *images, const int32_t *labels, int64_t n, const char *path) {
    const int64_t sample[3] = {SHAPE_SIZE, SHAPE_SIZE, 1};
    const int64_t images_shape[4] = {n, SHAPE_SIZE, SHAPE_SIZE, 1}, labels_shape[1] = {n};

    nnk_graph *g = nnk_graph_create();
    nnk_value x = nnk_graph_input(g, "image", NNK_FLOAT32, sample, 3);
    x = nnk_graph_layer(g, "conv2d", "filters=8 kernel=3 padding=same activation=relu", x);
    x = nnk_graph_layer(g, "maxpool2d", "size=2", x);
    x = nnk_graph_layer(g, "conv2d", "filters=16 kernel=3 padding=same activation=relu", x);
    x = nnk_graph_layer(g, "maxpool2d", "size=2", x);
    x = nnk_graph_layer(g, "flatten", "", x);
    x = nnk_graph_layer(g, "dense", "units=3", x);
    nnk_graph_output(g, "logits", x); /* a mistake above is reported by nnk_model_create */

    nnk_model *m = NULL;
    nnk_trainer *t = NULL;
    nnk_dataset *d = NULL;
    nnk_status s = nnk_model_create(NULL, g, "seed=7", &m);
    nnk_graph_destroy(g);
    nnk_tensor in = nnk_tensor_view((void *)images, NNK_FLOAT32, images_shape, 4);
    nnk_tensor to = nnk_tensor_view((void *)labels, NNK_INT32, labels_shape, 1);
    if (!s) s = nnk_dataset_create_from_arrays(&in, 1, &to, 1, &d);
    if (!s)
        s = nnk_trainer_create(m, "loss=softmax_cross_entropy optimizer=adam learning_rate=3e-3 metric=accuracy", &t);
    if (!s) s = nnk_trainer_fit(t, d, "epochs=5 batch_size=32 validation_split=0.2", progress, NULL);
    if (!s) s = nnk_model_save(m, path);
    if (s) fprintf(stderr, "%s\n", nnk_last_error());
    nnk_trainer_destroy(t);
    nnk_dataset_destroy(d);
    nnk_model_destroy(m); /* any order, NULL is fine */
    return s;
}

int main(int argc, char **argv) {
    const int64_t n = 1500;
    float *images = (float *)malloc((size_t)n * SHAPE_PIXELS * sizeof(float));
    int32_t *labels = (int32_t *)malloc((size_t)n * sizeof(int32_t));
    nnk_status s = NNK_ERROR_OUT_OF_MEMORY;
    if (images && labels) {
        draw_shapes(images, labels, n, 1);
        s = train(images, labels, n, argc > 1 ? argv[1] : "shapes.nnkit");
    }
    free(images);
    free(labels);
    return s != NNK_OK;
}
