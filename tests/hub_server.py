"""A local server that speaks the protocol of the Hugging Face hub."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer(ThreadingHTTPServer):
    """A stand-in for the hub with one public repository.

    Attributes:
        repository: `ORG/NAME` of a model, `datasets/ORG/NAME` of a dataset.
        files: path in the repository -> content.
        commit: what the branch `main` stands for; earlier ones hold the same files.
        only_trees: answer the tree listing, but no summary of the repository, as some mirrors do.
        broken_after: cut off content after this many bytes, or None.
        requests: method and path of every request.
    """

    def __init__(self, repository: str, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repository = repository
        self.files = dict(files)
        self.commit = COMMIT
        self.only_trees = False
        self.broken_after: int | None = None
        self.requests: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: HubServer

    def do_GET(self) -> None:
        hub, path = self.server, unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path))
        kind = "" if hub.repository.startswith("datasets/") else "models/"
        api, files = f"/api/{kind}{hub.repository}", f"/{hub.repository}/resolve/"
        if (
            path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}", f"{api}/revision/{hub.commit}")
            and not hub.only_trees
        ):
            siblings = [{"rfilename": name} for name in hub.files]
            name = hub.repository.removeprefix("datasets/")
            self.answer(
                json.dumps(
                    {"id": name, "sha": COMMIT if path.endswith(COMMIT) else hub.commit, "siblings": siblings}
                ).encode()
            )
        elif path in (f"{api}/tree/main", f"{api}/tree/{COMMIT}", f"{api}/tree/{hub.commit}"):
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in hub.files.items()
            ]
            self.answer(json.dumps(tree).encode())
        elif path.startswith(files) and (name := path[len(files) :].partition("/")[2]) in hub.files:
            self.answer(hub.files[name], cut=hub.broken_after)
        else:
            code = "EntryNotFound" if path.startswith(files) else "RepoNotFound"
            self.answer(b"", status=404, code=code)

    do_HEAD = do_GET  # noqa: N815

    def answer(self, body: bytes, *, status: int = 200, code: str = "", cut: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT if COMMIT in self.path else self.server.commit)
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:cut])

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serve(repository: str, files: dict[str, bytes]) -> Iterator[HubServer]:
    """A running `HubServer`."""
    server = HubServer(repository, files)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def use_hub(server: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a server the default hub, and a folder its cache."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
