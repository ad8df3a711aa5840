/* shapes.h: the images that the examples learn: outlines of squares, discs and crosses, drawn with noise. */
#ifndef SHAPES_H
#define SHAPES_H

#include <math.h>
#include <stdint.h>

enum { SHAPE_SIZE = 16, SHAPE_PIXELS = SHAPE_SIZE * SHAPE_SIZE, SHAPE_KINDS = 3 };

static const char *const shape_names[SHAPE_KINDS] = {"square", "disc", "cross"};

/* A number from 0 to below 1, the same on every machine. */
static inline float shape_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 16777216.0f;
}

/* Draws `n` images [n, 16, 16, 1], with a shape of a random kind, place and size in each, and says which it is. */
static inline void draw_shapes(float *images, int32_t *labels, int64_t n, uint32_t seed) {
    int64_t i;
    for (i = 0; i < n; i++) {
        const int32_t kind = (int32_t)(shape_random(&seed) * SHAPE_KINDS);
        const float radius = 3.0f + 3.0f * shape_random(&seed);
        const float x0 = 6.0f + 4.0f * shape_random(&seed), y0 = 6.0f + 4.0f * shape_random(&seed);
        int row, column;
        for (row = 0; row < SHAPE_SIZE; row++)
            for (column = 0; column < SHAPE_SIZE; column++) {
                const float x = fabsf((float)column - x0), y = fabsf((float)row - y0);
                /* The distance from the outline. */
                const float far = kind == 0   ? fabsf(fmaxf(x, y) - radius)
                                  : kind == 1 ? fabsf(sqrtf(x * x + y * y) - radius)
                                              : fmaxf(fminf(x, y), fmaxf(x, y) - radius);
                images[i * SHAPE_PIXELS + row * SHAPE_SIZE + column] =
                    fmaxf(0.0f, 1.0f - far) + 0.3f * (shape_random(&seed) - 0.5f);
            }
        labels[i] = kind;
    }
}

#endif /* SHAPES_H */
