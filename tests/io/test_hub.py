"""Repositories of the hub: their names, the cache, downloads from a local server, and one-sentence errors."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from mindrec_bench.errors import DataError
from mindrec_bench.io import hub
from mindrec_bench.io.hub import HubError, Repository, find_folder

from ..hub_server import COMMIT, HubServer, serve, use_hub

FILES = {
    "README.md": b"#",
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"a pickle",
    "onnx/config.json": b"{}",
}
REQUIRED = ("config.json", "*.safetensors")
MESSAGES = {"label": "checkpoint", "alternative": "give a folder"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "hub"


@pytest.fixture
def server(cache: Path) -> Iterator[HubServer]:
    with serve("org/model", FILES) as running:
        yield running


def model(server: HubServer, revision: str | None = None) -> Repository:
    return Repository("org/model", revision, endpoint=server.url, anonymous=True, **MESSAGES)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to open a connection fails the test."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("org/model", ("org/model", None)),
        ("org/model@v1.0", ("org/model", "v1.0")),
        ("org/model@refs/pr/3", ("org/model", "refs/pr/3")),
    ],
)
def test_names(name: str, expected: tuple[str, str | None]) -> None:
    repository = Repository.parse(name, **MESSAGES)
    assert (repository.id, repository.revision) == expected
    assert repository.name == name


@pytest.mark.parametrize("name", ["nowhere", "a/b/c", "/no/such/folder", "org/name:x", "org/name@", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=rf"the checkpoint '{name}' is neither a folder nor a hub id such as ORG/NAME"):
        Repository.parse(name, **MESSAGES)


def test_the_oldest_models_have_no_organisation() -> None:
    assert Repository.parse("t5-small@main", **MESSAGES, bare=True) == Repository("t5-small", "main", **MESSAGES)


def test_a_download_brings_the_wanted_files(server: HubServer, cache: Path) -> None:
    repository = model(server)
    assert repository.cached() is None
    folder = repository.download(["*.json", "*.safetensors"], ignore=["*/*"])
    assert folder.is_relative_to(cache)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "config.json": b"{}",
        "model.safetensors": b"weights",
    }


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_what_was_downloaded_needs_no_network(
    server: HubServer, revision: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = model(server, revision)
    folder = repository.download(["*.json", "*.safetensors"])
    asked = len(server.requests)
    assert repository.cached(REQUIRED) == folder
    assert repository.commit() == COMMIT
    assert len(server.requests) == asked


def test_a_folder_that_lacks_a_file_is_not_taken(server: HubServer, cache: Path) -> None:
    repository = model(server)
    folder = repository.download(["*.json"])
    assert repository.cached() == folder
    assert repository.cached(REQUIRED) is None
    assert repository.download(REQUIRED) == folder
    assert repository.cached(REQUIRED) == folder


def test_an_interrupted_download_continues_at_its_commit(server: HubServer, cache: Path) -> None:
    folder = model(server).download(["*.json"])
    server.commit = "f" * 40
    assert model(server).commit() == COMMIT
    assert model(server).download(REQUIRED) == folder
    assert model(server).cached(REQUIRED) == folder


def test_the_commit_is_asked_for_where_the_cache_lacks_it(server: HubServer) -> None:
    assert model(server).commit() == COMMIT
    assert [method for method, _ in server.requests] == ["GET"]


def test_single_files(server: HubServer, tmp_path: Path) -> None:
    commit, files = model(server).list_files()
    assert (commit, sorted(files)) == (COMMIT, sorted(FILES))
    path = model(server).download_file("onnx/config.json", tmp_path / "files", commit=commit)
    assert path == tmp_path / "files" / "onnx" / "config.json"
    assert path.read_bytes() == b"{}"


def test_a_mirror_without_summaries(server: HubServer) -> None:
    server.only_trees = True
    commit, files = model(server).list_files()
    assert (commit, sorted(files)) == ("main", sorted(FILES))


def test_datasets(cache: Path) -> None:
    with serve("datasets/org/data", {"a.json": b"{}"}) as server:
        repository = Repository("org/data", kind="dataset", endpoint=server.url, anonymous=True)
        assert repository.list_files() == (COMMIT, ["a.json"])
        assert (repository.download(["*.json"]) / "a.json").read_bytes() == b"{}"


def test_a_repository_that_does_not_exist(server: HubServer) -> None:
    absent = Repository("org/absent", endpoint=server.url, anonymous=True, **MESSAGES)
    message = (
        r"the checkpoint 'org/absent' is not on this machine and can't be downloaded \(RepositoryNotFoundError\); "
        r"check its name, set HF_TOKEN if it is private, or give a folder$"
    )
    for ask in (absent.commit, lambda: absent.download(["*"])):
        with pytest.raises(HubError, match=message) as caught:
            ask()
        assert isinstance(caught.value.__context__, RepositoryNotFoundError)


def test_a_licence_that_is_not_accepted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Api:
        def model_info(self, *_: object, **__: object) -> None:
            raise GatedRepoError.__new__(GatedRepoError)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    with pytest.raises(HubError, match=r"accept its licence at https://huggingface\.co/org/gated and set HF_TOKEN, or"):
        Repository.parse("org/gated", **MESSAGES).commit()


def test_offline_is_said_at_once(cache: Path, monkeypatch: pytest.MonkeyPatch, no_network: None) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = Repository.parse("org/model@v2", **MESSAGES)
    assert repository.cached() is None
    for ask in (repository.commit, lambda: repository.download(["*"])):
        with pytest.raises(HubError, match=r"'org/model@v2' is not .*\(HF_HUB_OFFLINE is set\); unset it, or give a"):
            ask()


def test_a_hub_that_can_not_be_reached(cache: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    repository = Repository("org/model", endpoint=f"http://127.0.0.1:{port}", **MESSAGES)
    start = time.monotonic()
    for ask in (repository.commit, lambda: repository.download(["*"]), repository.list_files):
        with pytest.raises(
            HubError, match=r"can't be downloaded \(ConnectError\); go online, or give a folder"
        ) as caught:
            ask()
        assert caught.value.reason.startswith("ConnectError: ")
        assert caught.value.exit_code == 3
    assert time.monotonic() - start < 10


def test_a_silent_hub_is_given_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        repository = Repository("org/model", endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}", **MESSAGES)
        start = time.monotonic()
        with pytest.raises(HubError, match=r"\(ReadTimeout\); go online"):
            repository.download(["*"])
    assert time.monotonic() - start < 5


def test_a_folder_a_cached_model_or_a_download(
    server: HubServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub(server, cache, monkeypatch)

    def find(name: str) -> Path:
        return find_folder(name, ["*.json", "*.safetensors"], required=REQUIRED, **MESSAGES)

    assert find(str(tmp_path)) == tmp_path
    folder = find("org/model")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    asked = len(server.requests)
    assert find("org/model") == find(f"org/model@{COMMIT}") == folder
    assert len(server.requests) == asked
    with pytest.raises(DataError, match="the checkpoint 'a/b/c' is neither a folder nor a hub id"):
        find("a/b/c")
