// Loads a model and classifies drawings, as the example run.c does, and prints the same. The drawings go into a file, for
// programs that cannot draw.
//
//     program <model> <drawings>
#include <nnkit.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <vector>

#include "shapes.h"

namespace {

void check(nnk_status status) {
    if (status != NNK_OK) throw std::runtime_error(nnk_last_error());
}

using Model = std::unique_ptr<nnk_model, decltype(&nnk_model_destroy)>;
using Session = std::unique_ptr<nnk_session, decltype(&nnk_session_destroy)>;

Model load(const char *path) {
    nnk_model *model = nullptr;
    check(nnk_model_load(nullptr, path, &model));
    return {model, nnk_model_destroy};
}

Session open(const Model &model, const char *options) {
    nnk_session *session = nullptr;
    check(nnk_session_create(model.get(), options, &session));
    return {session, nnk_session_destroy};
}

void classify(const char *path, const char *drawings) {
    const int64_t n = 16, images_shape[] = {n, SHAPE_SIZE, SHAPE_SIZE, 1}, logits_shape[] = {n, SHAPE_KINDS};
    std::vector<float> images(n * SHAPE_PIXELS), logits(n * SHAPE_KINDS);
    std::vector<int32_t> labels(n);
    draw_shapes(images.data(), labels.data(), n, 2);
    std::ofstream(drawings, std::ios::binary)
        .write(reinterpret_cast<const char *>(images.data()),
               static_cast<std::streamsize>(images.size() * sizeof(float)))
        .write(reinterpret_cast<const char *>(labels.data()), static_cast<std::streamsize>(n * sizeof(int32_t)));

    const Model model = load(path);
    const Session session = open(model, "max_batch=16");
    const nnk_tensor in = nnk_tensor_view(images.data(), NNK_FLOAT32, images_shape, 4);
    nnk_tensor out = nnk_tensor_view(logits.data(), NNK_FLOAT32, logits_shape, 2);
    check(nnk_session_run(session.get(), &in, 1, &out, 1));
    int right = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *row = &logits[i * SHAPE_KINDS];
        const int guess = row[0] >= row[1] ? (row[0] >= row[2] ? 0 : 2) : (row[1] >= row[2] ? 1 : 2);
        std::printf("%-6s  %-6s  %9.6f %9.6f %9.6f\n", shape_names[guess], guess == labels[i] ? "right" : "wrong",
                    row[0], row[1], row[2]);
        right += guess == labels[i];
    }
    std::printf("%d of %d right\n", right, static_cast<int>(n));
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    try {
        classify(argv[1], argv[2]);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
