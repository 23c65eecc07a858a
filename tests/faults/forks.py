"""Commands in forks of the warm test process, which a hook below the I/O layer kills at the n-th change of a file."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

KILLED = -signal.SIGKILL
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.truncate", "os.link", "os.symlink"}
"""Python's audit events of changes; `open` for writing is one too, and so are the flushes, which have no event."""

VOLATILE = {"checksum", "commit", "finished", "model.json", "seconds", "timings"}
"""Keys of JSON files whose values differ from one computation to the next; `model.json` is hashed with its seconds."""


@dataclass(frozen=True)
class Done:
    """What a command left.

    Attributes:
        code: its exit code; negative: of a signal.
        out, err: its output.
        changes: the changes of files that it made.
        read: the folders in which it opened files, relative to its current folder.
    """

    code: int
    out: str
    err: str
    changes: int = 0
    read: frozenset[str] = frozenset()

    @property
    def is_clean(self) -> bool:
        """Whether it ended as documented, and without a traceback."""
        words = self.out + self.err
        return self.code in (0, 1, 2, 3) and "Traceback" not in words and "unexpected error" not in words

    @property
    def names_what_to_do(self) -> bool:
        """Whether it was refused in one sentence."""
        lines = [line for line in self.err.splitlines() if line.startswith("mrbench: ")]
        return self.is_clean and self.code in (1, 3) and len(lines) == 1


class _Changes:
    """Counts the changes of files below a folder, notes what is read, and kills this process at the n-th change."""

    def __init__(self, root: Path, kill_at: int | str, count_file: int) -> None:
        self.root, self.kill_at, self.count_file, self.count = f"{root}/", kill_at, count_file, 0
        self.flush = os.fsync
        self.read: set[str] = set()

    def start(self) -> None:
        sys.addaudithook(self.watch)
        os.fsync = self.watch_flush

    def watch(self, event: str, args: tuple) -> None:
        is_change = event in CHANGES and self.is_inside(args[0], args[-1])
        if event == "open":
            path, mode, flags = args
            writes = any(letter in mode for letter in "wxa+") if mode else flags & (os.O_WRONLY | os.O_RDWR)
            is_change = bool(writes) and self.is_inside(path, -1)
            if not writes and self.is_inside(path, -1):
                self.read.add(os.path.dirname(os.path.relpath(os.fsdecode(path), self.root)))
        elif event == "ctypes.dlsym":
            is_change = args[1] == "renameat2"
        if is_change and self.next(args[0]):
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_flush(self, descriptor: int) -> None:
        """A power cut before the flush: half of the file is on the disk."""
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        if path.is_file() and self.is_inside(path, -1) and self.next(path):
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        self.flush(descriptor)

    def next(self, path: object) -> bool:
        self.count += 1
        os.pwrite(self.count_file, b"%d" % self.count, 0)
        if isinstance(self.kill_at, str):
            return self.kill_at in str(path)
        return self.count == self.kill_at

    def is_inside(self, path: object, folder: object) -> bool:
        if isinstance(path, int):
            return False
        text = os.fsdecode(path)
        in_open_folder = isinstance(folder, int) and folder > 0 and not os.path.isabs(text)  # as shutil.rmtree does
        return in_open_folder or os.path.abspath(text).startswith(self.root)


def fork(action: Callable[[], int], folder: Path, *, kill_at: int | str = 0) -> Done:
    """Call a function in a fork of this process whose current folder is `folder`.

    Args:
        action: returns the exit code.
        folder: changes below it are counted.
        kill_at: kill the fork at this change, counted from 1, or at the first change of a file with this in its path;
            0: never.
    """
    logs = folder.parent / f".{folder.name}-logs"
    logs.mkdir(exist_ok=True)
    out, err, count, read = (logs / name for name in ("out", "err", "count", "read"))
    count.write_text("")
    read.write_text("")
    read.chmod(0o666)  # for another user
    process = os.fork()
    if process == 0:
        try:
            for stream, path in ((1, out), (2, err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            os.chdir(folder)
            os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
            changes = _Changes(folder, kill_at, os.open(count, os.O_WRONLY))
            changes.start()
            code = action()
            read.write_text("\n".join(changes.read))
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            code = 99
            os.write(2, traceback.format_exc().encode())
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    done = Done(code, out.read_text(errors="replace"), err.read_text(errors="replace"))
    return replace(done, changes=int(count.read_text() or 0), read=frozenset(read.read_text().splitlines()))


@contextmanager
def _one_thread(jobs: int) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@dataclass(frozen=True)
class User:
    """Whom a command belongs to; `group` is one of the user's further groups."""

    uid: int
    umask: int
    group: int

    def become(self, folder: Path) -> None:
        """Make this process the user's, with a cache of its own in a folder."""
        os.umask(self.umask)
        os.setgroups([self.group])
        os.setgid(self.uid)
        os.setuid(self.uid)
        os.environ["XDG_CACHE_HOME"] = str(folder / f"cache-{self.uid}")


def mrbench(words: tuple[str, ...], folder: Path, *, kill_at: int | str = 0, user: User | None = None) -> Done:
    """Run `mrbench` in a fork, as a user where one is given; see `fork`."""

    def action() -> int:
        from mindrec_bench.cli import main as cli
        from mindrec_bench.sweep import execute

        if user is not None:
            user.become(folder)
        execute.local_executor = _one_thread  # other processes would not be hooked
        sys.argv = ["mrbench", *words]
        try:
            cli.main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return fork(action, folder, kill_at=kill_at)


def content(folder: Path) -> dict[str, str]:
    """What the files in a folder hold, by path: hashes, and of JSON files what does not change from run to run."""
    held = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.suffix in (".lock", ".holder") or name.startswith("cache/"):
            continue
        data = path.read_bytes()
        if path.suffix == ".json":
            data = json.dumps(_lasting(json.loads(data)), sort_keys=True).encode()
        held[name] = hashlib.sha256(data).hexdigest()[:12]
    return held


def _lasting(value: object) -> object:
    if isinstance(value, dict):
        return {key: _lasting(item) for key, item in value.items() if key not in VOLATILE}
    return [_lasting(item) for item in value] if isinstance(value, list) else value
