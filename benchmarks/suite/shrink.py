"""Keep of a pytest-benchmark file what a comparison needs: `python benchmarks/suite/shrink.py NEW.json OLD.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

CASE = ("name", "fullname", "group", "params", "param")
FILE = ("datetime", "version")


def rounded(value: object) -> object:
    """Four figures are more than a timing has."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    """Read one file, write the other."""
    source, target = map(Path, sys.argv[1:])
    content = json.loads(source.read_text(encoding="utf-8"))
    small = {name: content[name] for name in FILE}
    small["commit_info"] = {}
    small["machine_info"] = {"cpu": {"brand_raw": content["machine_info"]["cpu"].get("brand_raw", "")}}
    small["benchmarks"] = [
        {name: case[name] for name in CASE}
        | {"stats": {name: rounded(value) for name, value in case["stats"].items() if name != "data"}}
        for case in content["benchmarks"]
    ]
    target.write_text(json.dumps(small, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
