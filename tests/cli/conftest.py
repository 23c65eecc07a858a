"""The command line in an empty folder."""

from __future__ import annotations

import pytest

from .words import without_bars


@pytest.fixture
def call(call):
    """As the fixture that it replaces, stderr without progress; `call.stderr` is the last one whole."""

    def main(*words):
        code, out, main.stderr = call(*words)
        return code, out, without_bars(main.stderr)

    return main
