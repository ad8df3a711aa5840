"""Workers in processes of their own, and how they are timed: in turn, one at a time."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class WorkerError(Exception):
    """A worker ended, or did not answer in time."""


class Worker:
    """A process that answers each line it is sent with one line of JSON. It is stopped between its turns, so that
    threads of its own that still spin take nothing from the worker whose turn it is."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str], timeout: float) -> None:
        """Starts the process and waits for its first line, `answer`. Raises: WorkerError."""
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("NNKIT_BENCH_VERBOSE") else subprocess.DEVNULL,
            env=dict(environment),
            # A compiler that the worker started must end with it when its time is up.
            start_new_session=True,
        )
        self._timeout = timeout
        try:
            self.answer: dict[str, Any] = self._read()
        except BaseException:
            # Whatever ends this program meanwhile: nobody else knows of the process yet.
            self.close()
            raise
        self._signal(signal.SIGSTOP)

    def ask(self, line: object) -> Any:
        """Gives the worker its turn with this line. Raises: WorkerError."""
        self._signal(signal.SIGCONT)
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError("the process ended") from None
        result = self._read()
        self._signal(signal.SIGSTOP)
        return result

    def _read(self) -> Any:
        # Answers are read as they come and not through the file object, whose buffer `select` cannot see.
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], self._timeout)
            if not ready:
                raise WorkerError(f"no answer within {self._timeout:g} s")
            part = os.read(self._process.stdout.fileno(), 1 << 20)
            if not part:
                raise WorkerError("the process ended before it answered")
            line += part
        return json.loads(line)

    def peak_bytes(self) -> int:
        """The most memory that the process has had resident."""
        return self._status("VmHWM:") * 1024

    def resume(self) -> None:
        """Lets the process go on without a task, to see what it does then."""
        self._signal(signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """The processor time of the process and all its threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, key: str) -> int:
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1])
        raise WorkerError(f"the system does not tell {key}")

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def close(self) -> None:
        """Ends the process."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def python_worker(side: str, variant: str, workload: str, environment: Mapping[str, str], timeout: float) -> Worker:
    """A worker.py for one library and one workload."""
    return Worker([sys.executable, HERE / "worker.py", side, variant, workload], environment, timeout)


def in_turn(
    workers: Mapping[str, Worker], limits: Worker, rounds: int, turn_seconds: float
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Times workers A B C A B C ..., each for about `turn_seconds` a turn, and the machine's limits after each round.

    Returns the seconds of every step by worker, and under "gflops" and "gigabytes" the limits; and the workers that
    were lost on the way, with the reason.
    """
    samples: dict[str, list[float]] = {name: [] for name in workers} | {"gflops": [], "gigabytes": []}
    lost: dict[str, str] = {}
    counts: dict[str, int] = {}
    for turn in range(rounds + 1):
        for name, worker in workers.items():
            if name in lost:
                continue
            try:
                if turn:
                    samples[name] += worker.ask(counts[name])
                else:
                    # The second of two steps says how many fill a turn: the first follows a stop.
                    counts[name] = max(1, min(20_000, round(turn_seconds / max(worker.ask(2)[-1], 1e-7))))
            except WorkerError as error:
                lost[name] = str(error)
                del samples[name]
        if turn:
            for name, value in limits.ask(min(turn_seconds, 0.4)).items():
                samples[name].append(value)
    return samples, lost
