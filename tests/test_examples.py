"""The packages under examples/: they install, are listed, run, and pass their own tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NAME = "llada-sampler"
MRBENCH = ("-m", "mindrec_bench")

OPEN = {
    "mindrec_bench.core.code_space",
    "mindrec_bench.core.dataset",
    "mindrec_bench.core.protocols",
    "mindrec_bench.core.random_bits",
    "mindrec_bench.plugins.options",
    "mindrec_bench.testing",
    "mindrec_decoders.search.expansion",
    "mindrec_decoders.search.pruning",
    "mindrec_decoders.search.results",
    "mindrec_decoders.search.sampling",
    "mindrec_decoders.search.scores",
}
"""What the example imports of ours: the contracts, `option`, the test kit, and the pieces that decoders are made of."""


def python(*words: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, with `path` importable."""
    environment = dict(os.environ) | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=250)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of the example's folder outside the checkout, where building leaves its traces."""
    copy = tmp_path_factory.mktemp("source") / NAME
    return shutil.copytree(EXAMPLES / NAME, copy, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))


@pytest.fixture(scope="module")
def installed(source, install) -> Path:
    """A folder with the package installed into it."""
    return install(source)


def test_there_is_one():
    assert [path.name for path in EXAMPLES.iterdir() if path.is_dir()] == [NAME]


def test_it_is_listed_with_its_options(installed, tmp_path):
    done = python(*MRBENCH, "list", "decoders", NAME, cwd=tmp_path, path=installed)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"{NAME}  [denoiser]  llada_sampler:LladaSampler (llada-sampler)"
    assert re.findall(r"^  (n|temperature|samples) ", done.stdout, re.MULTILINE) == ["n", "temperature", "samples"]


@pytest.mark.parametrize("constrain", ["slots", "catalogue"])
def test_it_runs(installed, find_plugins, call, constrain):
    find_plugins(installed)
    label = f"{NAME}:n=2,temperature=0.7"
    words = ("run", "--model", "pop", "--decoder", label, "--data", "arts-sim:users=50,items=60", "--quiet")
    code, out, err = call(*words, "--constrain", constrain)
    assert (code, err) == (0, "")
    assert out.startswith(f"pop x {label} on arts-sim:users=50,items=60, 50 users")


def test_a_wrong_option_is_refused(installed, find_plugins, call):
    find_plugins(installed)
    code, out, err = call("run", "--model", "pop", "--decoder", f"{NAME}:n=0", "--data", "arts-sim:users=50,items=60")
    assert (code, out) == (2, "")
    assert err == f"mrbench: '{NAME}': n is 0; it must be 1 or more\n"


@pytest.mark.slow
def test_its_own_tests_pass(installed, source):
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=source, path=installed)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("15 passed")


def test_it_imports_what_others_may_import_too():
    text = "".join(path.read_text(encoding="utf-8") for path in (EXAMPLES / NAME).rglob("*.py"))
    assert set(re.findall(r"^ *from (mindrec_\S+) import", text, re.MULTILINE)) == OPEN
