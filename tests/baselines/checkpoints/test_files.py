"""Checkpoints: finding, identifying and downloading them, and errors about damaged ones."""

from __future__ import annotations

import json
import socket

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError

from mindrec_baselines.checkpoints.files import (
    find_checkpoint,
    fingerprint,
    open_checkpoint,
    tokenizer_folder,
    weight_files,
)
from mindrec_bench.errors import DataError

from ..made_checkpoints import write_checkpoint, write_weights

NAME, COMMIT = "some-org/some-model", "0123abcd" * 5


@pytest.fixture
def no_network(monkeypatch):
    """Any attempt to open a connection fails the test."""

    def refuse(*args, **kwargs):
        pytest.fail("the network was used")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache with one checkpoint in it, as `snapshot_download` finds it; returns its folder."""
    folder = tmp_path / "hub" / "snapshots" / COMMIT
    write_checkpoint(folder, "llada", shards=2)

    def local(repository, *, revision=None, local_files_only=False, **kwargs):
        assert local_files_only, "a download"
        if repository != NAME or revision not in (None, "main", COMMIT):
            raise LocalEntryNotFoundError("not here")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", local)
    return folder


@pytest.mark.parametrize("shards", [1, 3])
def test_a_folder_is_read(tmp_path, no_network, shards):
    tensors = write_checkpoint(tmp_path, "llama", shards=shards)
    checkpoint = open_checkpoint(str(tmp_path))
    assert checkpoint.shapes == {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    assert len(set(checkpoint.files.values())) == shards
    assert checkpoint.config["model_type"] == "llama"
    assert tokenizer_folder(str(tmp_path)) == tmp_path


def test_a_hub_id_in_the_cache_needs_no_network(cache, no_network):
    assert find_checkpoint(NAME) == cache
    assert open_checkpoint(NAME).folder == cache
    assert fingerprint(NAME) == fingerprint(f"{NAME}@main") == f"{NAME}@{COMMIT}"


def test_an_interrupted_download_is_not_a_checkpoint(cache, no_network):
    (cache / "model-00002-of-00002.safetensors").unlink()
    assert find_checkpoint(NAME) is None
    assert find_checkpoint(NAME, weights=False) == cache


def test_a_missing_checkpoint_is_downloaded_with_safetensors_only(tmp_path, monkeypatch, notices):
    requests = []

    def download(repository, *, revision=None, local_files_only=False, **options):
        if local_files_only:
            raise LocalEntryNotFoundError("not here")
        requests.append((repository, revision, options["allow_patterns"]))
        write_checkpoint(tmp_path / "downloaded", "llama")
        return str(tmp_path / "downloaded")

    class Api:
        def model_info(self, *args, **kwargs):
            pass

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert open_checkpoint(f"{NAME}@v2").folder == tmp_path / "downloaded"
    ((repository, revision, patterns),) = requests
    assert (repository, revision) == (NAME, "v2")
    assert set(patterns) == {"*.json", "*.jinja", "*.safetensors"}
    assert notices == [f"downloading {NAME}@v2 from the hub (files that are in the cache already are kept)"]
    tokenizer_folder(f"{NAME}@v2")
    assert requests[1][2] == ["*.json", "*.jinja"]


def test_being_offline_is_reported_at_once(monkeypatch, tmp_path, no_network):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for call in (fingerprint, open_checkpoint):
        with pytest.raises(DataError, match=r"'some-org/some-model' is not on this machine .*HF_HUB_OFFLINE is set"):
            call(NAME)


def test_an_unaccepted_licence(cache, monkeypatch):
    class Api:
        def model_info(self, *args, **kwargs):
            raise GatedRepoError.__new__(GatedRepoError)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    with pytest.raises(DataError, match=r"accept its licence at https://huggingface\.co/other/model and set HF_TOKEN"):
        fingerprint("other/model")


@pytest.mark.parametrize("name", ["nowhere", "a/b/c", "/no/such/folder", "org/name:x"])
def test_neither_a_folder_nor_a_hub_id(name):
    with pytest.raises(DataError, match="neither a folder nor a hub id such as ORG/NAME"):
        find_checkpoint(name)


def test_missing_files_are_named(tmp_path):
    write_checkpoint(tmp_path, "llama", shards=2)
    (tmp_path / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(DataError, match=r"lacks model-00001-of-00002\.safetensors in"):
        find_checkpoint(str(tmp_path))
    (tmp_path / "model.safetensors.index.json").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(DataError, match=r"lacks model\.safetensors in .*safetensors files only"):
        weight_files(tmp_path, "x")


def test_an_index_may_not_leave_the_folder(tmp_path):
    write_checkpoint(tmp_path / "one", "llama", shards=1)
    other = tmp_path / "two"
    other.mkdir()
    index = {"weight_map": {"lm_head.weight": "../one/model.safetensors"}}
    (other / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="lacks"):
        weight_files(other, "x")


@pytest.mark.parametrize(("file", "content"), [("config.json", b"{"), ("model.safetensors", b"not safetensors")])
def test_damaged_files_are_named(tmp_path, file, content):
    write_checkpoint(tmp_path, "llama", shards=1)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=rf"{file} of the checkpoint .* damaged"):
        open_checkpoint(str(tmp_path))


def test_a_folders_identity_is_its_content(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    write_checkpoint(first, "llama")
    tensors = write_checkpoint(second, "llama")
    assert fingerprint(str(first)) == fingerprint(str(second))
    assert fingerprint(str(first)).startswith("sha256:")
    changed = {**tensors, "model.norm.weight": tensors["model.norm.weight"] + 1}
    for change in (
        lambda: write_weights(second, changed, 2),
        lambda: (second / "chat_template.jinja").write_text("{{ messages[0].content }}"),
        lambda: (second / "config.json").write_text("{}"),
    ):
        before = fingerprint(str(second))
        change()
        assert fingerprint(str(second)) != before != ""
