"""From a folder without semantic IDs to a run: which files are read, written, kept, and left unchanged."""

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
from mindrec_bench.tokenizers.tokenize_items import TokenizationRequest, tokenize_items
from mindrec_bench.tokenizers.tokenizer_config import make_tokenizer_config

NETWORK = "epochs=20,hidden=32,latent=8,batch=64"
METHODS = ["rqkmeans", f"rqvae:{NETWORK}", f"letter:{NETWORK}"]


def make_request(folder: Path, method: str = "rqkmeans", **changes: Any) -> TokenizationRequest:
    levels, on_collision = changes.pop("levels", 3), changes.pop("on_collision", None)
    config = make_tokenizer_config(method, levels=levels, codes=8, on_collision=on_collision)
    return TokenizationRequest(folder, config, **{"dims": 8, "device": "cpu", **changes})


def read_codes(folder: Path) -> dict[str, list[str]]:
    return json.loads((folder / f"{folder.name}.index.json").read_text())


@pytest.mark.parametrize("method", METHODS, ids=["rqkmeans", "rqvae", "letter"])
def test_from_a_folder_without_codes_to_runs(shop: Path, tmp_path: Path, method: str) -> None:
    meta = tokenize_items(make_request(shop, method, vectors="text+cooc"))
    data = read_folder(shop)
    assert data.sids.shape == (48, 3)
    after, neighbours = meta["report"]["after"], meta["report"]["neighbours"]
    assert (after["distinct_sids"], after["items_sharing_a_sid"]) == (48, 0)
    assert neighbours["share"] > 1.5 * neighbours["chance"]
    stored = json.loads((shop / "Shop.index.meta.json").read_text())
    assert {"method", "options", "seed", "vectors", "training_fingerprint", "environment", "report"} <= set(stored)
    assert stored["vectors"] == "text+cooc"
    assert {path.name for path in tmp_path.iterdir()} == {"Shop"}  # the work folder is removed
    setup = ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu", quiet=True)
    trained = [("llada:epochs=1", "adaptive")] if method == "rqkmeans" else []
    for model, decoder in (("markov", "dbs-dedup"), *trained):
        summary = run_experiment(
            ExperimentConfig(model, decoder, data=str(shop), size="auto", max_minutes=0.05), setup
        ).run.as_dict()
        assert summary["users"] == 60
        assert summary["slots"]["sid"] == 3


@pytest.mark.parametrize("method", METHODS, ids=["rqkmeans", "rqvae", "letter"])
@pytest.mark.parametrize("vectors", ["text+cooc", "cooc"])
def test_the_last_two_items_of_every_user_change_no_code(shop: Path, method: str, vectors: str) -> None:
    request = make_request(shop, method.replace("epochs=20", "epochs=3"), vectors=vectors, force=True)
    first = tokenize_items(request)
    before = read_codes(shop)
    path = shop / "Shop.inter.json"
    users = json.loads(path.read_text())
    path.write_text(
        json.dumps({user: [*row[:-2], *((item + 7) % 48 for item in row[-2:])] for user, row in users.items()})
    )
    second = tokenize_items(request)
    assert read_codes(shop) == before
    assert second["training_fingerprint"] == first["training_fingerprint"]
    path.write_text(json.dumps({user: [(item + 7) % 48 for item in row] for user, row in users.items()}))
    third = tokenize_items(request)
    assert read_codes(shop) != before
    assert third["training_fingerprint"] != first["training_fingerprint"]


def test_the_seed_determines_the_codes(shop: Path) -> None:
    results = []
    for seed in (1, 1, 2):
        tokenize_items(make_request(shop, seed=seed, force=True))
        results.append(read_codes(shop))
    assert results[0] == results[1] != results[2]


def test_out_leaves_the_old_folder_unchanged(shop: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in shop.iterdir()}
    meta = tokenize_items(make_request(shop, out=tmp_path / "New"))
    assert {path.name: path.read_bytes() for path in shop.iterdir()} == before
    assert meta["folder"] == str(tmp_path / "New")
    assert {path.name for path in tmp_path.iterdir()} == {"Shop", "New"}
    tokenize_items(make_request(shop))
    assert read_codes(shop) == read_codes(tmp_path / "New")
    old, new = read_folder(shop), read_folder(tmp_path / "New")
    assert old.fingerprint == new.fingerprint


def test_existing_codes_are_kept_without_force(shop: Path) -> None:
    tokenize_items(make_request(shop))
    before = read_codes(shop)
    with pytest.raises(UsageError, match="replace them with --force"):
        tokenize_items(make_request(shop, seed=1))
    assert read_codes(shop) == before
    tokenize_items(make_request(shop, seed=1, force=True))
    assert read_codes(shop) != before


def test_extra_code_and_keep(shop: Path) -> None:
    kept = tokenize_items(make_request(shop, levels=1, on_collision="keep"))
    assert kept["report"]["after"] == kept["report"]["before"]
    assert kept["report"]["after"]["items_sharing_a_sid"] == 48
    extra = tokenize_items(make_request(shop, levels=1, on_collision="extra-code", force=True))
    assert extra["report"]["after"]["items_sharing_a_sid"] == 0
    assert read_folder(shop).sids.shape == (48, 2)
    full = tokenize_items(make_request(shop, levels=1, force=True))
    assert full["report"]["after"]["items_sharing_a_sid"] == 48  # 8 codes for 48 items: 6 items per code
    assert full["report"]["slots"] == [{"used": 8, "entropy": 3.0}]


def test_a_killed_tokenization_continues(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notices: list[str]
) -> None:
    request = make_request(shop, f"rqvae:{NETWORK}")
    tokenize_items(replace(request, out=tmp_path / "Whole"))
    end = rqvae.RqVaeObjective.end_epoch

    def end_epoch(self: rqvae.RqVaeObjective, epoch: int, *rest: Any) -> None:
        if epoch == 13:
            raise KeyboardInterrupt
        end(self, epoch, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(rqvae.RqVaeObjective, "end_epoch", end_epoch)
        with pytest.raises(KeyboardInterrupt):
            tokenize_items(request)
    assert not (shop / "Shop.index.json").exists()
    assert (tmp_path / ".Shop.tokenize").is_dir()
    tokenize_items(replace(request))
    assert notices == ["training continues after 10 epochs"]
    assert read_codes(shop) == read_codes(tmp_path / "Whole")
    assert not (tmp_path / ".Shop.tokenize").exists()


def test_a_failed_call_leaves_no_files(shop: Path, tmp_path: Path) -> None:
    (shop / "Shop.item.json").unlink()
    for changes, message in (
        ({"vectors": "text"}, "no item texts"),
        ({"vectors": "words"}, "--vectors has the part"),
        ({"dims": 0}, "--dims is 0"),
        ({"users": 0}, "--users is 0; it must be 1 or more"),
        ({"method": "letter:collaborative=text"}, "collaborative is 'text'; it must be cooc or file:PATH.npy"),
    ):
        with pytest.raises(Exception, match=message):
            tokenize_items(make_request(shop, **changes))
    assert {path.name for path in tmp_path.iterdir()} == {"Shop"}
    assert {path.name for path in shop.iterdir()} == {"Shop.inter.json"}


def test_users_limits_the_training_data(shop: Path) -> None:
    tokenize_items(make_request(shop, vectors="cooc"))
    codes_of_all_users = read_codes(shop)
    meta = tokenize_items(make_request(shop, vectors="cooc", users=20, force=True))
    assert meta["users"] == 20
    assert set(read_codes(shop)) == set(codes_of_all_users)
    assert read_codes(shop) != codes_of_all_users
