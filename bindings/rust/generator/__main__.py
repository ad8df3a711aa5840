"""Makes the Rust files that follow from the header.

    python3 bindings/rust/generator [--check]

With --check nothing is written: a file that would change is named, and the exit status is 1. Needs rustfmt.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import header

RUST = Path(__file__).resolve().parent.parent
ROOT = RUST.parent.parent


def formatted(text: str) -> str:
    """The text as rustfmt has it."""
    command = ["rustfmt", "--edition", "2021", "--config-path", str(ROOT / "rustfmt.toml"), "--emit", "stdout"]
    return subprocess.run(command, input=text, text=True, capture_output=True, check=True).stdout


def main() -> int:
    """Writes or checks the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is stale")
    arguments = parser.parse_args()

    manual = (ROOT / "include/nnkit.h").read_text(encoding="utf-8")
    files = {
        "nnkit-sys/src/functions.rs": header.functions(manual),
        "nnkit-sys/src/constants.rs": header.constants(manual),
    }
    stale = 0
    for name, content in files.items():
        path, new = RUST / name, formatted(content)
        if path.exists() and path.read_text(encoding="utf-8") == new:
            continue
        stale += 1
        if arguments.check:
            print(f"{path.relative_to(ROOT)} is stale: run python3 bindings/rust/generator", file=sys.stderr)
        else:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
