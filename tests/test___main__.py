"""How the command line sets up threads, before torch is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SHOW = """
import os, sys
from mindrec_bench.__main__ import main
sys.argv = ["mrbench", "--version"]
try:
    main()
except SystemExit:
    print(os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
"""


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "1000"), ({"OMP_WAIT_POLICY": "active"}, "None"), ({"GOMP_SPINCOUNT": "7"}, "7")]
)
def test_threads_that_wait_soon_sleep_unless_the_user_says_otherwise(given: dict[str, str], expected: str) -> None:
    """OpenMP reads the variable when torch is imported, so it must not be before."""
    environment = {name: os.environ[name] for name in os.environ.keys() - {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}} | given
    done = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == f"{expected} False", done.stderr
