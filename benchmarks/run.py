"""NNKit's workloads against PyTorch and ONNX Runtime on this machine.

Everything is timed in turn (A B A B ...) in one invocation, each library in a process of its own of which only one
runs at a time. Prints one table, and writes results/latest.json and results/latest.png.

    python benchmarks/run.py                           all workloads
    python benchmarks/run.py lenet-run sequence-run    some of them
    python benchmarks/run.py --before ../earlier       an earlier version in turn with this one, too
    NNKIT_ISA=avx2 python benchmarks/run.py            everything held to AVX2, but for ONNX Runtime
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import plot
import startup
import table
from compare import compare
from measure import HERE, Worker
from settings import LIBRARY, ROOT, Settings
from workloads import BY_NAME, WORKLOADS

RESULTS = HERE / "results"
BUSY_SHARE = 0.1


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="workload", help=f"of {', '.join(BY_NAME)}")
    parser.add_argument("--threads", type=int, default=2, help="of every library (default: 2)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each worker (default: 7)")
    parser.add_argument("--turn", type=float, default=1.0, help="seconds of a turn (default: 1)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.2 s, and nothing compiled by PyTorch")
    parser.add_argument("--peers", default="", help='such as "torch eager,onnx" (default: all that fit)')
    parser.add_argument(
        "--before", type=Path, metavar="CHECKOUT", help="an earlier version, built, in turn with this one"
    )
    parser.add_argument("--start-timeout", type=float, default=420, help="seconds that a worker may take to start")
    parser.add_argument("--no-startup", action="store_true", help="leave out start times and idle processor time")
    parsed = parser.parse_args()
    unknown = [name for name in parsed.workloads if name not in BY_NAME]
    if unknown:
        parser.error(f"no workload is named {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    return parsed


def settings_of(parsed: argparse.Namespace, build: Path) -> Settings:
    """The settings that the command line asks for."""
    library = Path(os.environ.get("NNKIT_LIBRARY", ROOT / LIBRARY)).resolve()
    if not library.is_file():
        sys.exit(f"benchmarks: there is no library {library}; build it with `make lib`, or name it with NNKIT_LIBRARY")
    if parsed.before and not (parsed.before / LIBRARY).is_file():
        sys.exit(f"benchmarks: there is no library {parsed.before / LIBRARY}; build it there with `make lib`")
    wanted = [name.strip() for name in parsed.peers.split(",") if name.strip()]
    if parsed.quick and not wanted:
        wanted = ["torch eager", "torch channels-last", "onnx"]
    return Settings(
        threads=parsed.threads,
        rounds=3 if parsed.quick else parsed.rounds,
        turn_seconds=0.2 if parsed.quick else parsed.turn,
        start_timeout=parsed.start_timeout,
        peers=wanted,
        library=library,
        build=build,
        before=parsed.before.resolve() if parsed.before else None,
    )


def compile_helpers(build: Path) -> None:
    """The two C programs: the machine's limits, and a prediction as a C program makes it."""
    compiler = [os.environ.get("CC", "cc"), "-O3", "-Wall"]
    machine = [HERE / "machine/peak.c", HERE / "machine/machine_limits.c"]
    subprocess.run(
        [*compiler, "-pthread", f"-I{HERE}/machine/include", *machine, "-o", build / "peak"],
        check=True,
    )
    includes = [f"-I{ROOT}/include", f"-I{ROOT}/Tests/C"]
    subprocess.run([*compiler, *includes, HERE / "latency.c", "-o", build / "latency", "-ldl"], check=True)


def busy_share() -> float:
    """The share of all processors that is in use, over a second in which this process does nothing."""

    def ticks() -> tuple[int, int]:
        user, nice, system, idle, waiting, *others = map(
            int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        )
        return user + nice + system + sum(others[:3]), idle + waiting

    before = ticks()
    time.sleep(1)
    busy, idle = (after - start for after, start in zip(ticks(), before))
    return busy / max(busy + idle, 1)


def machine(settings: Settings) -> dict[str, Any]:
    """What the figures were taken on and with."""
    processor = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    versions = {}
    for name in ("torch", "onnxruntime", "numpy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "processor": processor,
        "processors": os.cpu_count(),
        "threads": settings.threads,
        "level": settings.level or "best",
        # Other work on the machine slows libraries down by different amounts: figures need an idle machine.
        "busy_before": busy_share(),
        "versions": versions,
        "date": time.strftime("%Y-%m-%d"),
    }


def main() -> None:
    parsed = arguments()
    # Workers are in sessions of their own: they end with this process only where its clean-up runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(parsed, Path(folder))
        compile_helpers(settings.build)
        result: dict[str, Any] = {"machine": machine(settings), "rows": []}
        limits_command = [settings.build / "peak", settings.level, str(settings.threads)]
        with Worker(limits_command, os.environ, 60) as limits:
            result["machine"]["level"] = limits.answer["level"]
            chosen = [BY_NAME[name] for name in parsed.workloads] or WORKLOADS
            for workload in chosen:
                print(f"{workload.name}: {workload.title} ...", file=sys.stderr, flush=True)
                result["rows"].append(compare(workload, settings, limits))
        if not parsed.no_startup:
            print("start and idle ...", file=sys.stderr, flush=True)
            result["first_prediction"] = startup.first_prediction(settings)
            result["idle_cpu_seconds"] = startup.idle_cpu(settings)

    rows = result["rows"]
    result["geometric_mean"] = table.geometric_mean(rows)
    print(table.text(rows))
    if "first_prediction" in result:
        start = result["first_prediction"]
        print(
            f"first prediction of the small CNN: {start['c']:.1f} ms in C, {start['python']:.0f} ms in a fresh Python, "
            f"{start['python_without_numpy']:.0f} ms of it after NumPy (the whole process: "
            f"{start['python_process']:.0f} ms)"
        )
        print(f"idle: {result['idle_cpu_seconds']:.2f} s of processor time in {startup.IDLE_SECONDS} s")
    measured = [row for row in rows if "share" in row]
    if measured:
        result["gflops"] = statistics.median(row["gflops"] for row in measured)
        result["gigabytes"] = statistics.median(row["gigabytes"] for row in measured)
        print(
            f"limits of this machine, {settings.threads} threads, {result['machine']['level']}: "
            f"{result['gflops']:.0f} GFLOP/s, triad {result['gigabytes']:.1f} GB/s"
        )
    if result["machine"]["busy_before"] > BUSY_SHARE:
        print(
            f"the machine was busy: other work took {100 * result['machine']['busy_before']:.0f} % of its processors "
            f"before the first measurement. These figures hold nothing; run again when it is idle"
        )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.json").write_text(json.dumps(result, indent=1) + "\n")
    about = result["machine"]
    peers = ", ".join(f"{name} {text}" for name, text in about["versions"].items() if name != "numpy")
    plot.draw(
        rows, RESULTS / "latest.png", f"{about['processor']}, {about['threads']} threads, {about['level']}; {peers}"
    )


if __name__ == "__main__":
    main()
