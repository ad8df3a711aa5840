"""Makes the Rust files that follow from the header and from the library's catalogue.

    python3 bindings/rust/generator [--check] [--library dist/lib/libnnkit.so]

With --check nothing is written: a file that would change is named, and the exit status is 1. Needs rustfmt.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
from pathlib import Path

import catalog
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
    parser.add_argument("--library", type=Path, default=ROOT / "dist/lib/libnnkit.so", help="the built library")
    arguments = parser.parse_args()

    library = ctypes.CDLL(str(arguments.library.resolve()))
    library.nnk_catalog_json.restype = ctypes.c_char_p
    text = library.nnk_catalog_json()
    manual = (ROOT / "include/nnkit.h").read_text(encoding="utf-8")
    files = {
        "nnkit-sys/src/functions.rs": header.functions(manual),
        "nnkit-sys/src/constants.rs": header.constants(manual),
        **{f"nnkit/src/{name}": content for name, content in catalog.files(text).items()},
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
