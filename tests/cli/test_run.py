"""Several models, decoders, datasets and seeds in one command."""

from __future__ import annotations

import json

from .helpers import DATA


def test_all_combinations_run_once(call) -> None:
    words = ("run", "-m", "markov", "-m", "pop", "-d", "bs", "-d", "rank-items", "-d", "bs", "--data", DATA)
    code, out, err = call(*words, "--seed", "1", "--seed", "2", "-q", "--json")
    runs = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert len({run["run"] for run in runs}) == len(runs) == 8
    order = [(run["model"], run["seed"], run["decoder"]) for run in runs]
    assert order[:4] == [
        ("markov", 1, "bs"),
        ("markov", 1, "rank-items"),
        ("markov", 2, "bs"),
        ("markov", 2, "rank-items"),
    ]


def test_a_run_that_fails_does_not_stop_the_others(call) -> None:
    code, out, err = call("run", "-m", "markov", "-d", "bss", "-d", "bs", "--data", DATA, "-q")
    assert code == 2
    assert "markov x bs on" in out
    assert err.startswith(f"mrbench: mrbench run --model markov --decoder bss --data {DATA}: unknown decoder 'bss'")
    code, out, _ = call(
        "run", "-m", "markov", "-d", "bs", "-d", "rank-items", "--data", DATA, "-q", "--dry-run", "--json"
    )
    assert code == 0
    assert [json.loads(line)["done"] for line in out.splitlines()] == [True, False]
