"""`mrbench new`: its packages install, are listed, run and pass their own tests; names that are refused."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mindrec_bench.core.backbone import Backbone, Task
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.errors import DataError, MrbenchError, UsageError
from mindrec_bench.plugins import scaffold
from mindrec_bench.testing import check_backbone

MRBENCH = ("-m", "mindrec_bench")
NAME = "try-scaffold-2"


def python(*words: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in another process, with `path` importable."""
    environment = dict(os.environ) | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


@dataclass(frozen=True)
class Example:
    """A package that `mrbench new` writes, and what is true of it.

    Attributes:
        command: the words after `mrbench new`.
        listing: its entry in `mrbench list`: group, capability, summary.
        model, decoder: what it is run with.
    """

    command: tuple[str, ...]
    listing: tuple[str, str, str]
    model: str
    decoder: str


DECODER = Example(
    ("decoder", NAME),
    ("decoders", "denoiser", "Beam search over the SID slots from the last to the first."),
    "markov",
    NAME,
)
ITEMS = Example(
    ("backbone", NAME),
    ("models", "items", "A score for every item from the latest items, weighted by recency."),
    NAME,
    "rank-items",
)
DENOISER = Example(
    ("backbone", NAME, "--capability", "denoiser"),
    ("models", "denoiser", "Masked codes from the latest items and the revealed codes."),
    NAME,
    "dbs-dedup",
)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(DECODER, id="decoder"),
        pytest.param(ITEMS, id="items", marks=pytest.mark.slow),  # its parts are tested in process, below
        pytest.param(DENOISER, id="denoiser", marks=pytest.mark.slow),
    ],
)
def example(request) -> Example:
    return request.param


@pytest.fixture(scope="module")
def package(example, tmp_path_factory) -> Path:
    """The folder that the command wrote."""
    folder = tmp_path_factory.mktemp("scaffold")
    done = python(*MRBENCH, "new", *example.command, "--out", "mine", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"mine/{NAME}\n", "")
    return folder / "mine" / NAME


@pytest.fixture(scope="module")
def installed(package, install) -> Path:
    """A folder with the package installed into it."""
    return install(package)


def test_plugin_is_listed_where_it_is_installed(example, installed, tmp_path):
    group, capability, summary = example.listing
    without = python(*MRBENCH, "list", group, cwd=tmp_path)
    assert (without.returncode, NAME in without.stdout) == (0, False)
    done = python(*MRBENCH, "list", group, cwd=tmp_path, path=installed)
    assert (done.returncode, done.stderr) == (0, "")
    [line] = [line for line in done.stdout.splitlines() if NAME in line]
    assert line.split(maxsplit=2) == [NAME, f"[{capability}]", summary]


def test_plugin_runs(example, installed, find_plugins, call, tmp_path):
    find_plugins(installed)
    words = ("--model", example.model, "--decoder", example.decoder, "--data", "arts-sim:users=50,items=60", "--quiet")
    code, out, err = call("run", *words)
    assert (code, err) == (0, "")
    assert f"{example.decoder} on arts-sim:users=50,items=60, 50 users" in out.splitlines()[0]
    assert not list(tmp_path.rglob("checkpoints")), "a finished training keeps its weights only"


@pytest.mark.slow
def test_tests_of_the_package_pass(installed, package):
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=package, path=installed)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("3 passed")


def test_readme_has_three_commands(example, package):
    lines = (package / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line.strip() for line in lines if line.startswith("    ")]
    run = f"mrbench run --model {example.model} --decoder {example.decoder}"
    assert commands == ["pip install -e '.[test]'", "pytest", run]


@pytest.fixture(scope="module", params=sorted(scaffold.BACKBONES))
def backbone_class(request, tmp_path_factory) -> Iterator[type[Backbone]]:
    """The class of a new backbone, imported here."""
    capability = request.param
    package = scaffold.new_package(scaffold.BACKBONES[capability], f"try-{capability}", tmp_path_factory.mktemp("new"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(package / "src"))
        yield getattr(importlib.import_module(f"try_{capability}"), f"Try{capability.capitalize()}Backbone")


def test_backbone_conforms(backbone_class):
    check_backbone(backbone_class(epochs=4, batch=32))


def test_backbone_continues_at_its_checkpoint(backbone_class, tmp_path, caplog):
    data = ArtsSim(users=40, items=60).load(None, users=None)
    task, backbone = Task(data, data.space(categories=True), size="small"), backbone_class(epochs=3, batch=16)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    report = backbone.fit(task, whole)

    class Stop(logging.Filter):
        def filter(self, record):
            if "epoch 2" in record.getMessage():
                raise KeyboardInterrupt
            return True

    logger = logging.getLogger(f"{backbone_class.__module__}.training")
    stop = Stop()
    logger.addFilter(stop)
    with caplog.at_level(logging.INFO):
        with pytest.raises(KeyboardInterrupt):
            backbone.fit(task, stopped)
        logger.removeFilter(stop)
        caplog.clear()
        continued = backbone.fit(task, stopped)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        f"training continues after step {report.steps // 3 * 2}",
        "epoch 3 of 3",
    ]
    assert replace(continued, seconds=0.0) == replace(report, seconds=0.0)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (whole, stopped)]
    assert weights[0] == weights[1]
    assert sorted(path.name for path in stopped.iterdir()) == ["model.json", "model.safetensors"]


def test_damaged_weights_of_a_backbone_are_named(backbone_class, tmp_path):
    data = ArtsSim(users=40, items=60).load(None, users=None)
    task, backbone = Task(data, data.space(categories=True), size="small"), backbone_class(epochs=1)
    backbone.fit(task, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"model\.safetensors are missing, damaged or of another shape; .* --fresh all"):
        backbone.load(task, tmp_path)


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("my-decoder", "MyDecoder"),
        ("far-first", "FarFirstDecoder"),
        ("canvas", "CanvasDecoder"),
        ("none", "NoneDecoder"),
    ],
)
def test_class_name_does_not_shadow_an_import(tmp_path, name, cls):
    module = name.replace("-", "_")
    package = scaffold.new_package(scaffold.DECODER, name, tmp_path)
    text = (package / "src" / module / "__init__.py").read_text(encoding="utf-8")
    compile(text, name, "exec")
    assert f"\nclass {cls}(DiffusionSearch):\n" in text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *(
            (name, "use lower-case letters")
            for name in ("", "My", "2a", "a_b", "a-", "-a", "a--b", "../a", "a\n", "class")
        ),
        ("fit", "'fit' is the name of a folder of the run store"),
        ("bs", "a decoder 'bs' is registered already"),
        ("torch", "a Python package 'torch' is installed already"),
        ("mindrec-bench", "a Python package 'mindrec-bench' is installed already"),
        ("json", "a Python package 'json' is installed already"),
    ],
)
def test_malformed_or_taken_name_is_refused(tmp_path, name, message):
    with pytest.raises(UsageError, match=message):
        scaffold.new_package(scaffold.DECODER, name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_taken_name_of_a_backbone_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"a backbone 'pop' is registered already \(see `mrbench list models`\)"):
        scaffold.new_package(scaffold.BACKBONES["items"], "pop", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_name_of_an_installed_distribution_is_refused(tmp_path, monkeypatch):
    (tmp_path / "odd_name-1.0.dist-info").mkdir()
    (tmp_path / "odd_name-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: odd-name\nVersion: 1.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="'odd-name' is installed already"):
        scaffold.new_package(scaffold.DECODER, "odd-name", tmp_path / "out")


def test_folder_on_the_path_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "folderonly").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert scaffold.new_package(scaffold.DECODER, "folderonly", tmp_path / "out").is_dir()


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_nothing_is_overwritten(tmp_path, kind):
    target = tmp_path / NAME
    make = {
        "folder": target.mkdir,
        "file": target.touch,
        "dangling link": lambda: target.symlink_to(tmp_path / "nowhere"),
    }
    make[kind]()
    with pytest.raises(UsageError, match=f"{NAME} exists already; choose another name, or another folder with --out"):
        scaffold.new_package(scaffold.DECODER, NAME, tmp_path)
    assert os.listdir(tmp_path) == [NAME]
    assert kind != "folder" or os.listdir(target) == []


def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    write = Path.write_text

    def failing(path, *words, **flags):
        if path.name == "test_decoder.py":
            raise PermissionError(13, "Permission denied")
        return write(path, *words, **flags)

    monkeypatch.setattr(Path, "write_text", failing)
    with pytest.raises(MrbenchError, match=f"can't write .*{NAME}: Permission denied; .* with --out"):
        scaffold.new_package(scaffold.DECODER, NAME, tmp_path)
    assert os.listdir(tmp_path) == []


def test_out_that_is_a_file(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(MrbenchError, match=r"can't write .*; choose a folder that can be written with --out"):
        scaffold.new_package(scaffold.DECODER, NAME, tmp_path / "out")


def test_wrong_usage_exits_with_2(tmp_path):
    done = python(*MRBENCH, "new", "decoder", "bs", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mrbench: a decoder 'bs' is registered already")


@pytest.mark.parametrize("words", [["new"], ["new", "decoder"], ["new", "backbone"]], ids=" ".join)
def test_help(words, tmp_path):
    done = python(*MRBENCH, *words, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: mrbench {' '.join(words)}")
