"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Or every process that a test starts would compile everything again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run in parallel; torch reads it when it is imported
os.environ.pop("HF_HUB_OFFLINE", None)  # huggingface_hub reads these two when it is imported
os.environ.pop("HF_ENDPOINT", None)
os.environ.pop("COLUMNS", None)  # pytest-xdist sets it; output that is no terminal's is not wrapped

import pytest
from hypothesis import HealthCheck, settings

from mindrec_bench.cli import main as cli
from mindrec_bench.distributed.processes import VARIABLES
from mindrec_bench.plugins import registry
from mindrec_bench.store.run_spec import DataSpec, DecoderSpec, ModelSpec, RunSpec

sys.dont_write_bytecode = False

# Of each property a few examples, always the same; hundreds with `--hypothesis-profile=many`.
CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much]
FEW = settings(derandomize=True, max_examples=12, deadline=None, suppress_health_check=CHECKS)
settings.register_profile("few", FEW)
settings.register_profile("many", FEW, max_examples=300)
settings.load_profile("few")

OUR_PACKAGES = ("mindrec_bench", "mindrec_baselines", "mindrec_decoders")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is no CUDA; where there is, start it before a test hides it."""
    gpu_tests = [item for item in items if item.get_closest_marker("gpu")]
    if not gpu_tests:
        return
    import torch

    if torch.cuda.is_available():
        torch.cuda.init()
        return
    for item in gpu_tests:
        item.add_marker(pytest.mark.skip(reason="needs a GPU: torch finds no CUDA device"))


def pytest_collection_finish() -> None:
    """What is imported by now stays to the end: the garbage collector, which every training calls, passes it by."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def hermetic(request, monkeypatch) -> None:
    """The outside changes no test: without its variables, and on the CPU but for tests marked `gpu`.

    Nothing waits for the disk: that takes longer than most tests, and no power is cut.
    """
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for name in os.environ:
        if name.startswith("MRBENCH_") or name in (*VARIABLES, "MASTER_ADDR", "MASTER_PORT", "COLUMNS", "NO_COLOR"):
            monkeypatch.delenv(name)
    if request.node.get_closest_marker("gpu"):
        return
    import torch

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # for processes that the test starts
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real Arts, Games and Instruments data: `MRBENCH_DATA`, else ./data; nobody else reads it."""
    root = Path(os.environ.get("MRBENCH_DATA") or "data")
    if not (root / "Arts").is_dir():
        pytest.skip(f"no real data at {root.absolute()}: set MRBENCH_DATA to the folder of Arts, Games, Instruments")
    return root


@pytest.fixture(scope="session")
def install(tmp_path_factory) -> Callable[[Path], Path]:
    """install(package): a folder with the package installed into it, without a package index."""

    def install_package(package: Path) -> Path:
        reason = "building the package here needs setuptools of 77 or later, and pip: pip install '.[test]'"
        pytest.importorskip("setuptools", minversion="77", reason=reason)
        pytest.importorskip("pip", reason=reason)
        target = tmp_path_factory.mktemp("target")
        flags = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(target))
        command = [sys.executable, "-m", "pip", "install", *flags, str(package)]
        done = subprocess.run(command, cwd=package, capture_output=True, text=True, timeout=250)
        assert done.returncode == 0, done.stderr
        return target

    return install_package


class _Notices(logging.Handler):
    """Collects the text of messages."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def notices(caplog) -> Iterator[list[str]]:
    """What our packages have logged in this test so far, progress included."""
    handler, loggers = _Notices(), [logging.getLogger(package) for package in OUR_PACKAGES]
    for logger in loggers:
        caplog.set_level(logging.INFO, logger=logger.name)
        logger.addHandler(handler)
    yield handler.lines
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.fixture
def find_plugins() -> Iterator[Callable[[Path], None]]:
    """find_plugins(folder): the packages that are installed into a folder are found in this process too."""
    folders = []
    with pytest.MonkeyPatch.context() as patch:

        def find(folder: Path) -> None:
            folders.append(f"{folder}/")
            patch.syspath_prepend(str(folder))
            registry.find_new_packages()

        yield find
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(tuple(folders)):
            del sys.modules[name]
    registry.find_new_packages()


@pytest.fixture
def install_points(tmp_path, monkeypatch) -> Iterator[Callable[..., Path]]:
    """install_points("package", "decoder", "name = module:Class"): the folder of a package that registers this."""

    def install(package: str, kind: registry.Kind, *points: str) -> Path:
        folder = tmp_path / "site-packages" / package
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join([f"[{registry.GROUPS[kind]}]", *points, ""]))
        monkeypatch.syspath_prepend(str(folder))
        registry.find_new_packages()
        return folder

    yield install
    registry.find_new_packages()


@pytest.fixture
def register(install_points) -> Callable[[registry.Kind, str, type], None]:
    """register("decoder", "name", Class): register a class of a test, as an installed package would."""

    def register_class(kind: registry.Kind, name: str, cls: type) -> None:
        install_points(f"of_{name}", kind, f"{name} = {cls.__module__}:{cls.__qualname__}")

    return register_class


@pytest.fixture
def small_networks(monkeypatch) -> None:
    """Networks of size `tiny` are even smaller: for tests of what does not depend on how well they learn."""
    from mindrec_baselines.code_lm.sizes import TRANSFORMER_SIZES, TransformerSize
    from mindrec_baselines.item_transformer.sequence_backbone import SIZES
    from mindrec_baselines.t5.sizes import T5_SIZES, T5Size

    for sizes in (TRANSFORMER_SIZES, SIZES):
        monkeypatch.setitem(sizes, "tiny", TransformerSize(layers=1, hidden=16, heads=2))
    monkeypatch.setitem(T5_SIZES, "tiny", T5Size(layers=1, hidden=16, feed_forward=32, head_width=8, heads=2))


@pytest.fixture
def quick_processes(monkeypatch) -> None:
    """Worker processes are forked from one that has imported what they need, since most of their time goes there.

    tests/distributed has processes that are started as those of users are, with `spawn`.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["mindrec_bench.experiment.run", "mindrec_baselines.training.trainer", "mindrec_baselines.code_lm.masked_lm"]
    )
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: context)


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """call(word, ...): (exit code, stdout, stderr) of `mrbench word ...` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def main(*words):
        monkeypatch.setattr(sys, "argv", ["mrbench", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code or 0, *capsys.readouterr()

    return main


@pytest.fixture
def run_spec() -> RunSpec:
    """The spec of a run with categories."""
    return RunSpec(
        data=DataSpec("Arts", "0123abcd", 5000),
        model=ModelSpec("llada", {"p_mask": 0.6, "shuffle": True}, "tiny"),
        decoder=DecoderSpec("dbs-penalty", {"normalise": "all"}),
        categories="generate",
    )
