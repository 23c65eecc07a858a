"""Downloads, against a local server that speaks the hub's protocol, and without any server."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mindrec_bench.data.fetch import fetch, select_files
from mindrec_bench.data.sources import Arts, download_data
from mindrec_bench.errors import DataError, UsageError

from ..hub_server import HubServer, serve

SEQUENCES = json.dumps({"0": [0, 1, 0], "1": [1, 1, 1, 0]}).encode()
INDEX = json.dumps({"0": ["<a_1>", "<b_0>"], "1": ["<a_0>", "<b_0>"]}).encode()
ITEM = json.dumps({"0": {"categories": "R,A"}, "1": {"categories": "R,B"}}).encode()
FILES = {
    "README.md": b"#",
    "data/Arts/Arts.inter.json": SEQUENCES,
    "data/Arts/Arts.index.json": INDEX,
    "data/Arts/Arts.item.json": ITEM,
    "data/Games/Games.index.json": b"{}",
}


@pytest.fixture
def download_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without data: empty cache, no ./data, no MRBENCH_DATA. Returns the folder that downloads go to."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("MRBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "mindrec-bench" / "data"


@pytest.fixture
def hub(download_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with serve("datasets/MrPeach/MindRec", FILES) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def test_fetch_downloads_the_files_under_their_names(hub: HubServer, download_folder: Path, notices: list[str]) -> None:
    folder = download_data("Arts", data_dir=None)
    assert folder == download_folder / "Arts"
    source = json.loads((folder / "Arts.source.json").read_text())
    assert (source["revision"], source["asked_revision"]) == (hub.commit, None)
    assert source["files"]["Arts.inter.json"] == {
        "path": "data/Arts/Arts.inter.json",
        "sha256": hashlib.sha256(SEQUENCES).hexdigest(),
    }
    (folder / "Arts.source.json").unlink()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "Arts.inter.json": SEQUENCES,
        "Arts.index.json": INDEX,
        "Arts.item.json": ITEM,
    }
    assert [path.name for path in download_folder.iterdir()] == ["Arts"]
    assert len(notices) == 2
    assert "this Arts is not the public one, so published values do not compare: it has 2 users and not" in notices[1]
    assert f"downloading it from {hub.url}/datasets/MrPeach/MindRec to {folder}" in notices[0]


def test_load_fetches_once(hub: HubServer, download_folder: Path, notices: list[str]) -> None:
    assert Arts().load(None, users=None).n_users == 2
    n_requests = len(hub.requests)
    assert Arts().load(None, users=None).n_users == 2
    downloads = [notice for notice in notices if "downloading" in notice]
    assert (len(downloads), len(hub.requests)) == (1, n_requests)
    assert download_data("arts", data_dir=None) == download_folder / "Arts"
    assert notices[-1] == f"Arts is already at {download_folder / 'Arts'}"


def test_a_revision_is_asked_for_and_kept(hub: HubServer, tmp_path: Path) -> None:
    folder = download_data("arts", data_dir=tmp_path / "mine", revision=hub.commit)
    assert json.loads((folder / "Arts.source.json").read_text())["asked_revision"] == hub.commit
    assert download_data("arts", data_dir=tmp_path / "mine", revision=hub.commit) == folder
    with pytest.raises(UsageError, match=rf"Arts is already at .*, in revision {hub.commit}; move it away"):
        download_data("arts", data_dir=tmp_path / "mine", revision="v2")
    (folder / "Arts.source.json").unlink()
    with pytest.raises(UsageError, match="from an unknown revision"):
        download_data("arts", data_dir=tmp_path / "mine", revision="v2")


def test_left_overs_of_a_killed_download_are_removed(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / ".Arts.fetch" / "Arts").mkdir(parents=True)
    (tmp_path / ".Games.fetch" / "hub").mkdir(parents=True)
    fetch("Arts", data_dir=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("here", "cache")) == ["Arts"]


def test_fetch_into_a_folder_given_by_hand(hub: HubServer, download_folder: Path, tmp_path: Path) -> None:
    assert Arts().load(tmp_path / "mine", users=None).n_users == 2
    assert (tmp_path / "mine" / "Arts" / "Arts.index.json").is_file()
    assert not download_folder.exists()


def test_sequences_as_text_are_found_by_their_folder(hub: HubServer, download_folder: Path) -> None:
    del hub.files["data/Arts/Arts.inter.json"]
    hub.files["data/arts/user_sequence.txt"] = b"0 0 1 0\n"
    hub.files["data/Games/user_sequence.txt"] = b"0 5 5 5\n"
    assert Arts().load(None, users=None).items.tolist() == [0, 1, 0]


def test_a_mirror_with_trees_only(hub: HubServer) -> None:
    hub.only_trees = True
    assert Arts().load(None, users=None).n_users == 2
    assert ("GET", "/api/datasets/MrPeach/MindRec/tree/main") in hub.requests


def test_a_file_that_the_repository_lacks_is_named(hub: HubServer, download_folder: Path) -> None:
    del hub.files["data/Arts/Arts.index.json"]
    with pytest.raises(
        DataError, match=r"MrPeach/MindRec does not hold Arts\.index\.json, but 4 others, such as README"
    ):
        fetch("Arts", data_dir=None)
    assert not download_folder.exists()


def test_broken_content_is_not_kept(hub: HubServer, download_folder: Path) -> None:
    hub.files["data/Arts/Arts.item.json"] = b'{"0": {\n'
    with pytest.raises(
        DataError, match=r"is broken and was not kept: Arts/Arts\.item\.json is not valid JSON at line 2"
    ):
        fetch("Arts", data_dir=None)
    assert list(download_folder.iterdir()) == []


def test_a_download_that_stops_leaves_nothing(
    hub: HubServer, download_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)  # before it tries again
    hub.broken_after = 5
    with pytest.raises(DataError, match="could not be downloaded"):
        fetch("Arts", data_dir=None)
    assert list(download_folder.iterdir()) == []


def test_a_missing_repository_is_reported(hub: HubServer) -> None:
    hub.only_trees = True
    hub.files = {}
    with pytest.raises(DataError, match=r"does not hold Arts\.inter\.json .* but none at all"):
        fetch("Arts", data_dir=None)


def test_offline_fails_at_once(download_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    start = time.monotonic()
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        Arts().load(None, users=None)
    assert time.monotonic() - start < 10  # with the client's own retries it would be 23
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert f"looked for data/Arts, {download_folder / 'Arts'}" in message
    assert "https://huggingface.co/datasets/MrPeach/MindRec" in message
    assert "`mrbench run` without --data" in message
    assert "\n" not in message
    assert not download_folder.exists()


def test_a_silent_hub_is_given_up(download_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindrec_bench.io.hub.TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(DataError, match=r"could not be downloaded .*Timeout"):
            fetch("Arts", data_dir=None)
    assert time.monotonic() - start < 5


def test_a_folder_that_cannot_be_written_is_reported(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"could not be downloaded \((FileExists|NotADirectory)Error"):
        fetch("Arts", data_dir=tmp_path / "file")


def test_the_shallowest_file_is_taken() -> None:
    files = ["old/data/Arts/Arts.index.json", "Arts/Arts.index.json", "x/Arts.inter.json", "Arts/sub/Arts.item.json"]
    assert select_files("Arts", files) == {
        "Arts.inter.json": "x/Arts.inter.json",
        "Arts.index.json": "Arts/Arts.index.json",
        "Arts.item.json": "Arts/sub/Arts.item.json",
    }


def test_two_files_in_equally_many_folders_are_ambiguous() -> None:
    files = ["a/Arts.index.json", "b/Arts.index.json", "Arts.inter.json"]
    with pytest.raises(
        DataError, match=r"Arts\.index\.json more than once \(a/Arts\.index\.json, b/Arts\.index\.json\)"
    ):
        select_files("Arts", files)


def test_all_missing_files_are_named() -> None:
    with pytest.raises(DataError, match=r"Arts\.inter\.json \(or Arts/user_sequence\.txt\) and Arts\.index\.json"):
        select_files("Arts", ["Games/user_sequence.txt", "Arts/Arts.item.json"])
