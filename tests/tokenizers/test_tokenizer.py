"""From a folder without semantic IDs to a run: what is read, written, kept, and left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mindrec_bench.data.folder import read_folder
from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment
from mindrec_bench.tokenizers import rqvae
from mindrec_bench.tokenizers.methods import choose
from mindrec_bench.tokenizers.tokenizer import Request, tokenize

NETWORK = "epochs=20,hidden=32,latent=8,batch=64"
METHODS = ["rqkmeans", f"rqvae:{NETWORK}", f"letter:{NETWORK}"]


def request(folder: Path, method: str = "rqkmeans", **changes: Any) -> Request:
    choice = choose(method, levels=changes.pop("levels", 3), codes=8, on_collision=changes.pop("on_collision", None))
    return Request(folder, choice, **{"dims": 8, "device": "cpu", **changes})


def codes(folder: Path) -> dict[str, list[str]]:
    return json.loads((folder / f"{folder.name}.index.json").read_text())


@pytest.mark.parametrize("method", METHODS, ids=["rqkmeans", "rqvae", "letter"])
def test_from_a_folder_without_codes_to_runs(shop: Path, tmp_path: Path, method: str) -> None:
    found = tokenize(request(shop, method, vectors="text+cooc"))
    data = read_folder(shop)
    assert data.sids.shape == (48, 3)
    assert found["report"]["after"] == {**found["report"]["after"], "distinct_sids": 48, "items_sharing_a_sid": 0}
    near = found["report"]["neighbours"]
    assert near["share"] > 1.5 * near["chance"]
    stored = json.loads((shop / "Shop.index.meta.json").read_text())
    assert {"method", "options", "seed", "vectors", "training_fingerprint", "environment", "report"} <= set(stored)
    assert stored["vectors"] == "text+cooc"
    assert {path.name for path in tmp_path.iterdir()} == {"Shop"}  # the workplace is gone
    setup = ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu", quiet=True, notify=lambda line: None)
    trained = [("llada:epochs=1", "adaptive")] if method == "rqkmeans" else []
    for model, decoder in (("markov", "dbs-dedup"), *trained):
        summary = run_experiment(
            ExperimentConfig(model, decoder, data=str(shop), size="auto", max_minutes=0.05), setup
        ).summary
        assert summary["users"] == 60
        assert summary["slots"]["sid"] == 3


@pytest.mark.parametrize("method", METHODS, ids=["rqkmeans", "rqvae", "letter"])
@pytest.mark.parametrize("vectors", ["text+cooc", "cooc"])
def test_the_last_two_items_of_every_user_change_no_code(shop: Path, method: str, vectors: str) -> None:
    asked = request(shop, method.replace("epochs=20", "epochs=3"), vectors=vectors, force=True)
    first = tokenize(asked)
    before = codes(shop)
    path = shop / "Shop.inter.json"
    users = json.loads(path.read_text())
    path.write_text(
        json.dumps({user: [*row[:-2], *((item + 7) % 48 for item in row[-2:])] for user, row in users.items()})
    )
    second = tokenize(asked)
    assert codes(shop) == before
    assert second["training_fingerprint"] == first["training_fingerprint"]
    path.write_text(json.dumps({user: [(item + 7) % 48 for item in row] for user, row in users.items()}))
    third = tokenize(asked)
    assert codes(shop) != before
    assert third["training_fingerprint"] != first["training_fingerprint"]


def test_the_seed_decides(shop: Path) -> None:
    found = []
    for seed in (1, 1, 2):
        tokenize(request(shop, seed=seed, force=True))
        found.append(codes(shop))
    assert found[0] == found[1] != found[2]


def test_a_new_folder_leaves_the_old_one_alone(shop: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in shop.iterdir()}
    found = tokenize(request(shop, out=tmp_path / "New"))
    assert {path.name: path.read_bytes() for path in shop.iterdir()} == before
    assert found["folder"] == str(tmp_path / "New")
    assert {path.name for path in tmp_path.iterdir()} == {"Shop", "New"}
    tokenize(request(shop))
    assert codes(shop) == codes(tmp_path / "New")
    old, new = read_folder(shop), read_folder(tmp_path / "New")
    assert old.fingerprint == new.fingerprint


def test_codes_that_are_there_are_kept_without_force(shop: Path) -> None:
    tokenize(request(shop))
    before = codes(shop)
    with pytest.raises(UsageError, match="replace them with --force"):
        tokenize(request(shop, seed=1))
    assert codes(shop) == before
    tokenize(request(shop, seed=1, force=True))
    assert codes(shop) != before


def test_extra_code_and_keep(shop: Path) -> None:
    kept = tokenize(request(shop, levels=1, on_collision="keep"))
    assert kept["report"]["after"] == kept["report"]["before"]
    assert kept["report"]["after"]["items_sharing_a_sid"] == 48
    extra = tokenize(request(shop, levels=1, on_collision="extra-code", force=True))
    assert extra["report"]["after"]["items_sharing_a_sid"] == 0
    assert read_folder(shop).sids.shape == (48, 2)
    full = tokenize(request(shop, levels=1, force=True))
    assert full["report"]["after"]["items_sharing_a_sid"] == 48  # 8 codes for 48 items: 6 items a code
    assert full["report"]["slots"] == [{"used": 8, "entropy": 3.0}]


def test_a_killed_tokenization_continues(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(shop, f"rqvae:{NETWORK}")
    tokenize(replace(asked, out=tmp_path / "Whole"))
    end = rqvae._Objective.end_epoch

    def killed(self: rqvae._Objective, epoch: int, *rest: Any) -> None:
        if epoch == 13:
            raise KeyboardInterrupt
        end(self, epoch, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(rqvae._Objective, "end_epoch", killed)
        with pytest.raises(KeyboardInterrupt):
            tokenize(asked)
    assert not (shop / "Shop.index.json").exists()
    assert (tmp_path / ".Shop.tokenize").is_dir()
    said: list[str] = []
    tokenize(replace(asked, notify=said.append))
    assert said == ["training continues after 10 epochs"]
    assert codes(shop) == codes(tmp_path / "Whole")
    assert not (tmp_path / ".Shop.tokenize").exists()


def test_what_fails_leaves_nothing(shop: Path, tmp_path: Path) -> None:
    (shop / "Shop.item.json").unlink()
    for changes, message in (
        ({"vectors": "text"}, "no item texts"),
        ({"vectors": "words"}, "--vectors has the part"),
        ({"dims": 0}, "--dims is 0"),
        ({"users": 0}, "--users is 0; it must be 1 or more"),
        ({"method": "letter:collaborative=text"}, "collaborative is 'text'; it must be cooc or file:PATH.npy"),
    ):
        with pytest.raises(Exception, match=message):
            tokenize(request(shop, **changes))
    assert {path.name for path in tmp_path.iterdir()} == {"Shop"}
    assert {path.name for path in shop.iterdir()} == {"Shop.inter.json"}


def test_fewer_users_teach_less(shop: Path) -> None:
    tokenize(request(shop, vectors="cooc"))
    whole = codes(shop)
    found = tokenize(request(shop, vectors="cooc", users=20, force=True))
    assert found["users"] == 20
    assert set(codes(shop)) == set(whole)
    assert codes(shop) != whole
