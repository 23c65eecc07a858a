"""Invented summaries for tests of the run store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mindrec_bench.store.run_spec import RunSpec
from mindrec_bench.store.run_summary import RunSummary, SlotCounts
from mindrec_bench.store.runs import Run


def make_summary(spec: RunSpec, **changes: Any) -> RunSummary:
    """The summary of a run whose results do not matter."""
    values: dict[str, Any] = {
        "run": spec.id,
        "model": spec.model.name,
        "decoder": spec.decoder.name,
        "data": spec.data.name.lower(),
        "users_asked": None,
        "slots": SlotCounts(0, 4, 40, (10, 10, 10, 10)),
        "metrics": {"hr@1": 0.0},
        "interactions": "interactions",
        "finished": "2026-01-01T00:00:00Z",
        "command": f"mrbench run --model {spec.model.name} --decoder {spec.decoder.name}",
    }
    return RunSummary(**values | changes)


def with_summary(run: Run, **changes: Any) -> Run:
    """The run with other fields in its summary."""
    return replace(run, summary=replace(run.summary, **changes))


def with_spec(run: Run, **changes: Any) -> Run:
    """The run with other fields in its spec."""
    return replace(run, spec=replace(run.spec, **changes))
