"""What one invocation was asked for, and the environment that workers run in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = Path("dist/lib/libnnkit.so")

# What holds PyTorch and oneDNN to an instruction set. ONNX Runtime has no such switch.
PEER_LIMITS = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "baseline": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}


@dataclass(frozen=True)
class Settings:
    """The command line, and where things are."""

    threads: int
    rounds: int
    turn_seconds: float
    start_timeout: float
    peers: list[str]
    library: Path
    build: Path
    """A folder for compiled helpers and saved models."""
    before: Path | None = None
    """A checkout of an earlier version, with its library built."""

    @property
    def level(self) -> str:
        """The instruction set that was asked for; empty for the best one."""
        return os.environ.get("NNKIT_ISA", "")

    def environment(self, threads: int, before: Path | None = None) -> dict[str, str]:
        """Of a worker with `threads` threads, for this version or that of the checkout `before`."""
        sources = str((before or ROOT) / "bindings/python/src")
        inherited = os.environ.get("PYTHONPATH")
        return {
            **os.environ,
            **PEER_LIMITS.get(self.level, {}),
            "NNKIT_LIBRARY": str(before / LIBRARY if before else self.library),
            "NNKIT_NUM_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": f"{sources}{os.pathsep}{inherited}" if inherited else sources,
        }
