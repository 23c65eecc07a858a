"""How OpenMP's threads wait for each other, on a quiet machine and beside one thread of another process's products.

    python benchmarks/waiting_threads.py

Decodes batches of `llada` at `small` by `mrbench bench`, whose waiting threads soon sleep, and with the default of
GNU's OpenMP, which PyTorch has on Linux: to spin for milliseconds before. Prints the median users per second of
processes that ran in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WAYS: dict[str, dict[str, str]] = {"OpenMP's default": {"GOMP_SPINCOUNT": "300000"}, "mrbench": {}}
BUSY = "import torch; torch.set_num_threads(1); x = torch.rand(512, 512)\nwhile True: x @ x"
CASE = "bench --model llada --decoder dbs-penalty --size small --batch 32 --beam 10 --categories none"


def users_per_second(variables: dict[str, str], out: Path) -> float:
    """Of one process with these environment variables."""
    command = [sys.executable, "-m", "mindrec_bench", *CASE.split(), "--data", "arts-sim:items=2000", "--out", str(out)]
    subprocess.run(command, env=os.environ | variables, check=True, capture_output=True)
    [case] = json.loads(out.read_text())["cases"]
    return float(case["users_per_second"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        for machine in ("quiet", "one core busy"):
            busy = subprocess.Popen([sys.executable, "-c", BUSY]) if machine != "quiet" else None
            try:
                speeds: dict[str, list[float]] = {name: [] for name in WAYS}
                for _ in range(repeats):
                    for name, variables in WAYS.items():
                        speeds[name].append(users_per_second(variables, Path(folder) / "bench.json"))
            finally:
                if busy:
                    busy.kill()
            for name, values in speeds.items():
                print(f"{machine:14} {name:16} {statistics.median(values):7.1f} users/s")


if __name__ == "__main__":
    main()
