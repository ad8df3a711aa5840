/* peak [baseline|avx2|avx512] [threads]: this machine's limits, as the workload benchmarks ask for them.
 *
 * Waits for lines on the standard input. For each it measures for the number of seconds that the line holds, and
 * answers with one line of JSON: 10^9 operations a second of the multiply-add limit, 10^9 bytes a second of the triad
 * in memory.
 */
#include "machine_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far beyond the caches. */
#define TRIAD_BYTES ((size_t)192 << 20)

int main(int argc, char **argv) {
    static const char *const names[] = {"baseline", "avx2", "avx512"};
    int level = machine_best_level();
    const int threads = argc > 2 ? atoi(argv[2]) : 1;
    if (argc > 1 && *argv[1]) {
        int wanted = 0;
        while (wanted <= MACHINE_AVX512 && strcmp(argv[1], names[wanted])) wanted++;
        if (wanted > level || threads < 1) {
            fprintf(stderr, "peak: \"%s\" is no level of this processor (the best is %s), or %d threads are too few\n",
                    argv[1], names[level], threads);
            return 2;
        }
        level = wanted;
    }
    printf("{\"ready\": true, \"level\": \"%s\"}\n", names[level]);
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        const double seconds = atof(line);
        const double gflops = machine_peak(level, threads, seconds / 2);
        const double gigabytes = machine_triad(level, threads, TRIAD_BYTES, seconds / 2);
        printf("{\"gflops\": %.3f, \"gigabytes\": %.3f}\n", gflops, gigabytes);
        fflush(stdout);
    }
    return 0;
}
