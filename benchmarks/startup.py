"""What a program pays before the first prediction, and between calls."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

from compare import model_file
from measure import python_worker
from settings import Settings
from workloads import BY_NAME

# Runs in a fresh Python. The clock starts before NumPy, which nnkit needs, is imported.
FIRST_PREDICTION = """
import json, sys, time
begin = time.perf_counter()
import numpy
with_numpy = time.perf_counter()
import nnkit
model = nnkit.load(sys.argv[1])
model.predict(numpy.zeros([int(size) for size in sys.argv[2].split(",")], numpy.float32))
end = time.perf_counter()
print(json.dumps({"python": end - begin, "python_without_numpy": end - with_numpy}))
"""

IDLE_SECONDS = 10


def first_prediction(settings: Settings, repeats: int = 11) -> dict[str, float]:
    """Milliseconds from before the library is loaded to the first prediction of the small CNN: in C, in a fresh Python
    with and without the import of NumPy, and of that Python process as a whole. Medians, the programs in turn."""
    path, input_shape, output_shape = model_file(BY_NAME["lenet-run"], settings)
    environment = settings.environment(settings.threads)
    in_c = [settings.build / "latency", "start", settings.library, path, input_shape, output_shape]
    in_python = [sys.executable, "-c", FIRST_PREDICTION, path, input_shape]
    times: dict[str, list[float]] = {"c": [], "python": [], "python_without_numpy": [], "python_process": []}
    for _ in range(repeats):
        printed = subprocess.run(in_c, check=True, capture_output=True, env=environment).stdout
        times["c"].append(float(printed))
        begin = time.perf_counter()
        printed = subprocess.run(in_python, check=True, capture_output=True, env=environment).stdout
        times["python_process"].append(time.perf_counter() - begin)
        for name, seconds in json.loads(printed).items():
            times[name].append(seconds)
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def idle_cpu(settings: Settings) -> float:
    """Processor seconds that a process uses in ten seconds after it has trained, with no call running."""
    environment = settings.environment(settings.threads)
    with python_worker("nnkit", "default", "lenet-train", environment, settings.start_timeout) as worker:
        worker.ask(10)
        worker.resume()
        # The pool's threads may spin for a moment before they sleep.
        time.sleep(0.5)
        begin = worker.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        return worker.cpu_seconds() - begin
