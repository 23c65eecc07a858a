"""`mrbench new decoder`: its package installs, is listed, runs and passes its own test; names that are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mindrec_bench.errors import MrbenchError, UsageError
from mindrec_bench.plugins import scaffold

MRBENCH = ("-m", "mindrec_bench")
NAME = "try-scaffold-2"


def python(*words: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in another process, with `path` importable."""
    environment = dict(os.environ) | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The folder that the command wrote."""
    folder = tmp_path_factory.mktemp("scaffold")
    done = python(*MRBENCH, "new", "decoder", NAME, "--out", "mine", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"mine/{NAME}\n", "")
    return folder / "mine" / NAME


@pytest.fixture(scope="module")
def installed(package, install) -> Path:
    """A folder with the package installed into it."""
    return install(package)


def test_decoder_is_listed_where_it_is_installed(installed, tmp_path):
    without = python(*MRBENCH, "list", "decoders", cwd=tmp_path)
    assert (without.returncode, NAME in without.stdout) == (0, False)
    done = python(*MRBENCH, "list", "decoders", cwd=tmp_path, path=installed)
    assert (done.returncode, done.stderr) == (0, "")
    [line] = [line for line in done.stdout.splitlines() if NAME in line]
    assert line.split(maxsplit=2) == [NAME, "[denoiser]", "Beam search over the SID slots from the last to the first."]


def test_decoder_runs(installed, tmp_path):
    words = ("run", "--model", "pop", "--decoder", NAME, "--data", "arts-sim:users=50,items=60", "--quiet")
    done = python(*MRBENCH, *words, cwd=tmp_path, path=installed)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"pop x {NAME} on arts-sim:users=50,items=60, 50 users")


def test_tests_of_the_package_pass(installed, package):
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=package, path=installed)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("3 passed")


def test_readme_has_three_commands(package):
    lines = (package / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line.strip() for line in lines if line.startswith("    ")]
    assert commands == ["pip install -e '.[test]'", "pytest", f"mrbench run --model markov --decoder {NAME}"]


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
    text = (scaffold.new_decoder(name, tmp_path) / "src" / module / "__init__.py").read_text(encoding="utf-8")
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
        scaffold.new_decoder(name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_name_of_an_installed_distribution_is_refused(tmp_path, monkeypatch):
    (tmp_path / "odd_name-1.0.dist-info").mkdir()
    (tmp_path / "odd_name-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: odd-name\nVersion: 1.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="'odd-name' is installed already"):
        scaffold.new_decoder("odd-name", tmp_path / "out")


def test_folder_on_the_path_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "folderonly").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert scaffold.new_decoder("folderonly", tmp_path / "out").is_dir()


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
        scaffold.new_decoder(NAME, tmp_path)
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
        scaffold.new_decoder(NAME, tmp_path)
    assert os.listdir(tmp_path) == []


def test_out_that_is_a_file(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(MrbenchError, match=r"can't write .*; choose a folder that can be written with --out"):
        scaffold.new_decoder(NAME, tmp_path / "out")


def test_wrong_usage_exits_with_2(tmp_path):
    done = python(*MRBENCH, "new", "decoder", "bs", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mrbench: a decoder 'bs' is registered already")


@pytest.mark.parametrize("words", [["new"], ["new", "decoder"]], ids=" ".join)
def test_help(words, tmp_path):
    done = python(*MRBENCH, *words, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: mrbench {' '.join(words)}")
