"""The command line in an empty folder."""

from __future__ import annotations

import sys

import pytest

from mindrec_bench import cli

from .words import without_bars


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """call(word, ...): (exit code, stdout, stderr without progress) of `mrbench word ...` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MRBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def main(*words):
        monkeypatch.setattr(sys, "argv", ["mrbench", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, main.stderr = capsys.readouterr()
        return stop.value.code or 0, out, without_bars(main.stderr)

    return main
