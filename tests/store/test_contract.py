"""The defaults behind the ids: what a spec leaves out must not change while the contract's version stays."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from mindrec_bench.io.hashing import to_jsonable
from mindrec_bench.plugins import registry
from mindrec_bench.store.run_spec import CONTRACT_VERSION, RunSpec

PINNED = Path(__file__).parent / "contract.json"


def defaults(cls: type) -> dict[str, Any]:
    values = {
        field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(cls)
        if not field.default is field.default_factory is dataclasses.MISSING
    }
    return to_jsonable(values)


def todays_contract() -> dict[str, Any]:
    """What specs leave out: the defaults of runs, of everything that is built in, and of each size."""
    contract: dict[str, Any] = {"version": CONTRACT_VERSION, "run": defaults(RunSpec)}
    for kind in ("model", "decoder"):
        for name in registry.names(kind):
            cls: Any = registry.load(kind, name)
            contract[f"{kind} {name}"] = defaults(cls)
            for size, values in getattr(cls, "size_defaults", {}).items():
                contract[f"{kind} {name}, size {size}"] = to_jsonable(dataclasses.asdict(values))
    return contract


def test_a_default_that_changes_raises_the_version() -> None:
    """Options may be added. To accept another change, raise `CONTRACT_VERSION` and run this file as a script."""
    pinned, today = json.loads(PINNED.read_text()), todays_contract()
    assert pinned.pop("version") == today["version"], "the version was raised: run this file as a script"
    for name in pinned.keys() & today.keys():
        before, now = pinned[name], today[name]
        changed = {key: (value, now[key]) for key, value in before.items() if key in now and now[key] != value}
        assert not changed, f"{name}: {changed}"


if __name__ == "__main__":
    PINNED.write_text(json.dumps(todays_contract(), indent=1) + "\n")
