"""One workload: nnkit and its peers in turn, and what comes of it."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from measure import HERE, Worker, WorkerError, in_turn, python_worker
from settings import Settings
from workloads import Workload

OURS, OURS_C, OURS_ONE_THREAD = "nnkit", "nnkit, C", "nnkit, 1 thread"
BEFORE = "nnkit before"


def compare(workload: Workload, settings: Settings, limits: Worker) -> dict[str, Any]:
    """The row of one workload. Where nnkit cannot run it, the row says why under "skipped"."""
    row: dict[str, Any] = {"name": workload.name, "title": workload.title, "failed": {}}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}

        def start(name: str, worker: Any) -> bool:
            """Whether the worker came up; else the row says why not."""
            try:
                opened = stack.enter_context(worker())
            except WorkerError as error:
                row["failed"][name] = str(error)
                return False
            if "ready" in opened.answer:
                workers[name] = opened
                return True
            row["failed"][name] = opened.answer.get("missing") or opened.answer["failed"]
            return False

        def ours(threads: int, before: Path | None = None) -> Worker:
            environment = settings.environment(threads, before)
            return python_worker("nnkit", "default", workload.name, environment, settings.start_timeout)

        if not start(OURS, lambda: ours(settings.threads)):
            row["skipped"] = row["failed"].pop(OURS)
            return row
        if settings.before:
            start(BEFORE, lambda: ours(settings.threads, settings.before))
        if workload.large and settings.threads > 1:
            start(OURS_ONE_THREAD, lambda: ours(1))
        if not workload.trains:
            start(OURS_C, lambda: _c_worker(workload, settings))
        for side, variant in peers(workload, settings.peers):
            start(
                f"{side} {variant}",
                lambda side=side, variant=variant: python_worker(
                    side, variant, workload.name, settings.environment(settings.threads), settings.start_timeout
                ),
            )
        _check_same_work(workers, row)
        samples, lost = in_turn(workers, limits, settings.rounds, settings.turn_seconds)
        row["failed"] |= lost
        if OURS in lost:
            row["skipped"] = row["failed"].pop(OURS)
            return row
        row["memory"] = {name: worker.peak_bytes() for name, worker in workers.items() if name in samples}
    _summarise(row, samples, workload, settings.threads)
    return row


def peers(workload: Workload, wanted: Sequence[str]) -> list[tuple[str, str]]:
    """The sides and variants to hold against, of those in `wanted` ("torch eager", or "torch" for all of one side)."""
    variants = {"torch": ["eager", "channels-last", "compiled", "compiled-unrolled"], "onnx": ["graph"]}
    kinds = [node.kind for node in workload.network().nodes]
    fitting = {
        "channels-last": "conv2d" in kinds,
        # Two layers of 64 time steps take the compiler seven minutes; their time goes into the products anyway.
        "compiled-unrolled": not workload.is_step and kinds.count("lstm") + kinds.count("gru") == 1,
        "graph": not workload.trains,
    }
    return [
        (side, variant)
        for side, names in variants.items()
        for variant in names
        if fitting.get(variant, True) and (not wanted or side in wanted or f"{side} {variant}" in wanted)
    ]


def model_file(workload: Workload, settings: Settings) -> tuple[Path, str, str]:
    """The workload's model in a file, and its input's and output's shapes as latency.c reads them."""
    path = settings.build / f"{workload.name}.nnkit"
    command = [sys.executable, HERE / "nnkit_side.py", workload.name, path]
    subprocess.run(command, check=True, env=settings.environment(settings.threads))
    network = workload.network()
    # A step is given without its time dimension.
    input_shape = network.input_shape[1:] if workload.is_step else network.input_shape
    shapes = [",".join(map(str, (workload.batch, *shape))) for shape in (input_shape, network.output_shape)]
    return path, shapes[0], shapes[1]


def _c_worker(workload: Workload, settings: Settings) -> Worker:
    way = "step" if workload.is_step else "run"
    command = [settings.build / "latency", way, settings.library, *model_file(workload, settings)]
    return Worker(command, settings.environment(settings.threads), settings.start_timeout)


def _check_same_work(workers: dict[str, Worker], row: dict[str, Any]) -> None:
    """Notes networks whose parameters differ by more than a second bias in recurrent layers."""
    counts = {name: worker.answer["parameters"] for name, worker in workers.items() if "parameters" in worker.answer}
    for name, count in counts.items():
        if abs(count - counts[OURS]) > 0.02 * counts[OURS]:
            row["failed"][f"{name}: same work"] = f"{count} parameters, but nnkit's model has {counts[OURS]}"


def _summarise(row: dict[str, Any], samples: dict[str, list[float]], workload: Workload, threads: int) -> None:
    medians = {name: statistics.median(values) for name, values in samples.items()}
    row["gflops"], row["gigabytes"] = medians.pop("gflops"), medians.pop("gigabytes")
    row["milliseconds"] = {name: 1e3 * seconds for name, seconds in medians.items()}
    row["samples"] = {name: len(values) for name, values in samples.items()}
    row["ideal"] = 1e-6 * workload.operations / row["gflops"]
    row["share"] = row["ideal"] / row["milliseconds"][OURS]
    rivals = {name: value for name, value in row["milliseconds"].items() if not name.startswith(OURS)}
    if rivals:
        row["best"] = min(rivals, key=rivals.__getitem__)
        row["ratio"] = rivals[row["best"]] / row["milliseconds"][OURS]
        if OURS_C in row["milliseconds"]:
            row["ratio_c"] = rivals[row["best"]] / row["milliseconds"][OURS_C]
    if BEFORE in row["milliseconds"]:
        row["ratio_before"] = row["milliseconds"][BEFORE] / row["milliseconds"][OURS]
    if OURS_ONE_THREAD in row["milliseconds"]:
        row["efficiency"] = row["milliseconds"][OURS_ONE_THREAD] / row["milliseconds"][OURS] / threads
    torch_memory = [value for name, value in row["memory"].items() if name.startswith("torch")]
    if torch_memory:
        # The leanest of PyTorch's ways.
        row["memory_share"] = row["memory"][OURS] / min(torch_memory)
