"""The command line in an empty folder, without progress bars on stderr."""

from __future__ import annotations

import pytest

from .helpers import without_progress


@pytest.fixture
def call(call):
    """As the fixture that it overrides, with progress removed from stderr; `call.stderr` is the whole last stderr."""

    def run_command(*words):
        code, out, run_command.stderr = call(*words)
        return code, out, without_progress(run_command.stderr)

    return run_command
