"""One library and one workload in a process of their own: `worker.py side variant workload`.

Answers lines of JSON. At the start `{"ready": true, "parameters": n}`, or `{"missing": why}` or `{"failed": why}`, and
the process ends. Then, for each line with a number of steps on the standard input, the seconds of each as a list.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time

from workloads import BY_NAME


def main() -> None:
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: object) -> None:
        print(json.dumps(value), file=answers, flush=True)

    side, variant, name = sys.argv[1:4]
    try:
        step, parameters = importlib.import_module(f"{side}_side").prepare(BY_NAME[name], variant)
        # Plans, packed weights, compiled code, and pages that are touched for the first time.
        for _ in range(3):
            step()
    except Exception as error:
        kind = "missing" if type(error).__name__ == "MissingLayerError" else "failed"
        answer({kind: f"{type(error).__name__}: {error}" if kind == "failed" else str(error)})
        return
    answer({"ready": True, "parameters": parameters})
    clock = time.perf_counter
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            begin = clock()
            step()
            seconds.append(clock() - begin)
        answer(seconds)


if __name__ == "__main__":
    main()
