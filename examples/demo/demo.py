"""NNKit from end to end, on real data: trains a CNN and an LSTM, saves both, and runs both from a C program.

Usage: python examples/demo/demo.py [--library dist/lib/libnnkit.so] [--output demo]
Writes digits.png, sunspots.png, results.json and the two models to the output folder. Ends with status 1 if a goal
is missed or the C program predicts anything but the same bits.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """Runs the demonstration; 0 if every goal was reached."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--library", type=Path, default=ROOT / "dist/lib/libnnkit.so", help="the libnnkit.so to use")
    parser.add_argument("--output", type=Path, default=ROOT / "demo", help="the folder to write to")
    arguments = parser.parse_args()
    library = arguments.library.resolve()
    # Python and C are to run the same library: the binding reads this when it is imported, below.
    os.environ["NNKIT_LIBRARY"] = str(library)
    import whole_way

    return 0 if whole_way.run(library, arguments.output) else 1


if __name__ == "__main__":
    sys.exit(main())
