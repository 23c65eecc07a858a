"""Downloads, against a local server that speaks the hub's protocol, and without any server."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest

from mindrec_bench.data.fetch import choose_files, fetch
from mindrec_bench.data.sources import Arts, download
from mindrec_bench.errors import DataError

REVISION = "0123456789abcdef0123456789abcdef01234567"
SEQUENCES = json.dumps({"0": [0, 1, 0], "1": [1, 1, 1, 0]}).encode()
INDEX = json.dumps({"0": ["<a_1>", "<b_0>"], "1": ["<a_0>", "<b_0>"]}).encode()
ITEM = json.dumps({"0": {"categories": "R,A"}, "1": {"categories": "R,B"}}).encode()
WHOLE = {
    "README.md": b"#",
    "data/Arts/Arts.inter.json": SEQUENCES,
    "data/Arts/Arts.index.json": INDEX,
    "data/Arts/Arts.item.json": ITEM,
    "data/Games/Games.index.json": b"{}",
}


class Hub(ThreadingHTTPServer):
    """A stand-in of the hub for one public dataset repository.

    Attributes:
        files: content of each path in the repository.
        only_trees: answer the tree listing, but no summary of the repository, as some mirrors do.
        broken_after: content is cut off after so many bytes, or None.
        requests: method and path of everything asked.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = dict(WHOLE)
        self.only_trees = False
        self.broken_after: int | None = None
        self.requests: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append((self.command, path))
        api, files = "/api/datasets/MrPeach/MindRec", "/datasets/MrPeach/MindRec/resolve/"
        if path in (api, f"{api}/revision/main") and not self.server.only_trees:
            siblings = [{"rfilename": name} for name in self.server.files]
            self.answer(json.dumps({"id": "MrPeach/MindRec", "sha": REVISION, "siblings": siblings}).encode())
        elif path == f"{api}/tree/main":
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in self.server.files.items()
            ]
            self.answer(json.dumps(tree).encode())
        elif path.startswith(files) and (name := path[len(files) :].partition("/")[2]) in self.server.files:
            self.answer(self.server.files[name], cut=self.server.broken_after)
        else:
            code = "EntryNotFound" if path.startswith(files) else "RepoNotFound"
            self.answer(b"", status=404, code=code)

    do_HEAD = do_GET  # noqa: N815

    def answer(self, body: bytes, *, status: int = 200, code: str = "", cut: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:cut])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without data: empty cache, no ./data, no variable. Returns the cache that downloads go to."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("MRBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "mindrec-bench" / "data"


@pytest.fixture
def hub(away: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_fetch_brings_the_files_under_their_names(hub: Hub, away: Path) -> None:
    notices: list[str] = []
    folder = download("Arts", data_dir=None, notify=notices.append)
    assert folder == away / "Arts"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "Arts.inter.json": SEQUENCES,
        "Arts.index.json": INDEX,
        "Arts.item.json": ITEM,
    }
    assert [path.name for path in away.iterdir()] == ["Arts"]
    assert len(notices) == 1
    assert f"downloading it from {hub.url}/datasets/MrPeach/MindRec to {folder}" in notices[0]


def test_load_fetches_once(hub: Hub, away: Path) -> None:
    notices: list[str] = []
    assert Arts().load(None, users=None, notify=notices.append).n_users == 2
    asked = len(hub.requests)
    assert Arts().load(None, users=None, notify=notices.append).n_users == 2
    assert (len(notices), len(hub.requests)) == (1, asked)
    assert download("arts", data_dir=None, notify=notices.append) == away / "Arts"
    assert notices[1] == f"Arts is already at {away / 'Arts'}"


def test_fetch_into_a_folder_given_by_hand(hub: Hub, away: Path, tmp_path: Path) -> None:
    assert Arts().load(tmp_path / "mine", users=None, notify=print).n_users == 2
    assert (tmp_path / "mine" / "Arts" / "Arts.index.json").is_file()
    assert not away.exists()


def test_sequences_as_text_are_found_by_their_folder(hub: Hub, away: Path) -> None:
    del hub.files["data/Arts/Arts.inter.json"]
    hub.files["data/arts/user_sequence.txt"] = b"0 0 1 0\n"
    hub.files["data/Games/user_sequence.txt"] = b"0 5 5 5\n"
    assert Arts().load(None, users=None, notify=print).items.tolist() == [0, 1, 0]


def test_a_mirror_with_trees_only(hub: Hub) -> None:
    hub.only_trees = True
    assert Arts().load(None, users=None, notify=print).n_users == 2
    assert ("GET", "/api/datasets/MrPeach/MindRec/tree/main") in hub.requests


def test_a_file_that_the_repository_lacks_is_named(hub: Hub, away: Path) -> None:
    del hub.files["data/Arts/Arts.index.json"]
    with pytest.raises(
        DataError, match=r"MrPeach/MindRec does not hold Arts\.index\.json, but 4 others, such as README"
    ):
        fetch("Arts", data_dir=None, notify=print)
    assert not away.exists()


def test_broken_content_is_not_kept(hub: Hub, away: Path) -> None:
    hub.files["data/Arts/Arts.item.json"] = b'{"0": {\n'
    with pytest.raises(
        DataError, match=r"is broken and was not kept: Arts/Arts\.item\.json is not valid JSON at line 2"
    ):
        fetch("Arts", data_dir=None, notify=print)
    assert list(away.iterdir()) == []


def test_a_download_that_stops_leaves_nothing(hub: Hub, away: Path) -> None:
    hub.broken_after = 5
    with pytest.raises(DataError, match="could not be downloaded"):
        fetch("Arts", data_dir=None, notify=print)
    assert list(away.iterdir()) == []


def test_a_missing_repository_is_reported(hub: Hub) -> None:
    hub.only_trees = True
    hub.files = {}
    with pytest.raises(DataError, match=r"does not hold Arts\.inter\.json .* but none at all"):
        fetch("Arts", data_dir=None, notify=print)


def test_offline_fails_at_once(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    start = time.monotonic()
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        Arts().load(None, users=None, notify=print)
    assert time.monotonic() - start < 10  # with the client's own retries it would be 23
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert f"looked for data/Arts, {away / 'Arts'}" in message
    assert "https://huggingface.co/datasets/MrPeach/MindRec" in message
    assert "`mrbench run` without --data" in message
    assert "\n" not in message
    assert not away.exists()


def test_a_silent_hub_is_given_up(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindrec_bench.data.fetch._TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(DataError, match=r"could not be downloaded .*Timeout"):
            fetch("Arts", data_dir=None, notify=print)
    assert time.monotonic() - start < 5


def test_a_folder_that_cannot_be_written_is_reported(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"could not be downloaded \((FileExists|NotADirectory)Error"):
        fetch("Arts", data_dir=tmp_path / "file", notify=print)


def test_the_shallowest_file_is_taken() -> None:
    files = ["old/data/Arts/Arts.index.json", "Arts/Arts.index.json", "x/Arts.inter.json", "Arts/sub/Arts.item.json"]
    assert choose_files("Arts", files) == {
        "Arts.inter.json": "x/Arts.inter.json",
        "Arts.index.json": "Arts/Arts.index.json",
        "Arts.item.json": "Arts/sub/Arts.item.json",
    }


def test_two_equally_near_files_are_ambiguous() -> None:
    files = ["a/Arts.index.json", "b/Arts.index.json", "Arts.inter.json"]
    with pytest.raises(
        DataError, match=r"Arts\.index\.json more than once \(a/Arts\.index\.json, b/Arts\.index\.json\)"
    ):
        choose_files("Arts", files)


def test_all_missing_files_are_named() -> None:
    with pytest.raises(DataError, match=r"Arts\.inter\.json \(or Arts/user_sequence\.txt\) and Arts\.index\.json"):
        choose_files("Arts", ["Games/user_sequence.txt", "Arts/Arts.item.json"])
