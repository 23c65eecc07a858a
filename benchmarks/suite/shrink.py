"""Reduce a pytest-benchmark file to what a comparison needs: `python benchmarks/suite/shrink.py NEW.json OLD.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

BENCHMARK_KEYS = ("name", "fullname", "group", "params", "param")
FILE_KEYS = ("datetime", "version")


def rounded(value: object) -> object:
    """Floats to four significant digits, more than the precision of a timing."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    """Read one file and write the other."""
    source, target = map(Path, sys.argv[1:])
    content = json.loads(source.read_text(encoding="utf-8"))
    reduced = {key: content[key] for key in FILE_KEYS}
    reduced["commit_info"] = {}
    reduced["machine_info"] = {"cpu": {"brand_raw": content["machine_info"]["cpu"].get("brand_raw", "")}}
    reduced["benchmarks"] = [
        {key: benchmark[key] for key in BENCHMARK_KEYS}
        | {"stats": {name: rounded(value) for name, value in benchmark["stats"].items() if name != "data"}}
        for benchmark in content["benchmarks"]
    ]
    target.write_text(json.dumps(reduced, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
