"""`mrbench fit` leaves the model that `mrbench run` then decodes with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .helpers import DATA

FIT = ("--model", "llada:epochs=1,batch=32", "--data", DATA, "--size", "tiny", "-q")


@pytest.mark.usefixtures("small_networks")
def test_a_fitted_model_is_used_by_run(call) -> None:
    code, out, _ = call("fit", *FIT, "--json")
    fitted = json.loads(out)
    assert code == 0
    assert (fitted["size"], fitted["fitted"], fitted["report"]["epochs"]) == ("tiny", True, 1.0)
    assert (Path(fitted["path"]) / "weights.safetensors").is_file()
    summary = json.loads(call("run", *FIT, "--decoder", "bs", "--json")[1])
    assert summary["fit"] == fitted["report"]
    code, out, _ = call("fit", *FIT)
    assert code == 0
    assert out.startswith(f"llada:epochs=1,batch=32 (tiny) on {DATA}, fitted model {fitted['fit']} (stored already")


def test_a_model_with_nothing_to_train_is_refused(call) -> None:
    code, out, err = call("fit", "--model", "markov", "--data", DATA)
    assert (code, out) == (2, "")
    assert err == "mrbench: model 'markov' has nothing to train; decode with it by mrbench run\n"
