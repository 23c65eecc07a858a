"""Two users of one run store: the second never changes what the first has stored, and says what it may not read."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import mindrec_bench

from .forks import User, fork, mrbench
from .test_kills import DATA, FITTED, SMALL, TABLE

GROUP = 30_003
FIRST, SECOND = 30_001, 30_002
RUN = ("run", "-m", "markov", "-d", "bs", "--data", DATA, "-q")
OTHER_DECODER = ("run", "-m", "esasrec:epochs=1,batch=128", "-d", "bs", "--size", "tiny", "--data", SMALL, "-q")
READS = (("runs",), ("show",), ("table", "table.toml"), RUN, FITTED)
"""What the second user does; `show` gets the id of the first one's run."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become two users"),
]


@pytest.fixture
def shared(warm) -> Iterator[Path]:
    """A folder that all users may write to, and whose group both have."""
    top = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    top.chmod(0o755)
    folder = top / "shared"
    folder.mkdir()
    os.chown(folder, -1, GROUP)
    folder.chmod(0o2777)
    (folder / "table.toml").write_text(TABLE)
    yield folder
    shutil.rmtree(top)


@pytest.fixture
def readable(shared: Path) -> None:
    def read() -> int:
        User(SECOND, 0o022, GROUP).become(shared)
        return 0 if os.access(mindrec_bench.__file__, os.R_OK) else 1

    if fork(read, shared).code:
        pytest.skip("other users can't read this package")


def stored(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Owner, time of change and content of each file of a run store, locks aside."""
    files = {path: path.stat() for path in folder.glob("runs/**/*") if path.is_file()}
    return {
        path.relative_to(folder).as_posix(): (status.st_uid, status.st_mtime_ns, path.read_bytes())
        for path, status in files.items()
        if path.suffix not in (".lock", ".holder")
    }


@pytest.mark.parametrize(
    ("umask", "may_read", "may_write"),
    [(0o022, True, False), (0o077, False, False), (0o002, True, True)],
    ids=lambda value: f"{value:03o}" if type(value) is int else None,
)
def test_the_second_user_changes_nothing_of_the_first(
    shared: Path, readable, tally, umask: int, may_read: bool, may_write: bool
) -> None:
    first, second = User(FIRST, umask, GROUP), User(SECOND, umask, GROUP)
    wanted = {}
    for words in (RUN, FITTED):
        done = mrbench(words, shared, user=first)
        assert done.code == 0, done.err
        wanted[words] = done.out
    before = stored(shared)
    assert {owner for owner, _, _ in before.values()} == {FIRST}
    run = next(path.parent.name for path in shared.glob("runs/*/markov/bs/*/summary.json"))
    for words in READS:
        done = mrbench((*words, run) if words == ("show",) else words, shared, user=second)
        tally["tried"] += 1
        assert done.is_clean, done.err
        if may_read:
            assert (done.code, done.out) == (0, wanted.get(words, done.out)), done.err
            tally["survived"] += 1
        else:
            assert done.code in (2, 3), done.out
            assert "not readable" in done.err or "can't read" in done.err
            tally["named"] += 1
        assert stored(shared) == before, words
    tally["tried"] += 1
    other = mrbench(OTHER_DECODER, shared, user=second)
    after = stored(shared)
    assert {name: after[name] for name in before} == before, "the model is trained once, and by the first user"
    assert not [name for name in after if "/fit/" in name and name not in before]
    if may_write:
        assert other.code == 0, other.err
        tally["survived"] += 1
    else:
        assert other.is_clean, other.err
        assert "can't write" in other.err or "not readable" in other.err
        tally["named"] += 1
    assert after == before or may_write


def test_fresh_of_another_users_run_is_refused(shared: Path, readable, tally) -> None:
    assert mrbench(RUN, shared, user=User(FIRST, 0o022, GROUP)).code == 0
    before = stored(shared)
    for fresh in ("decode", "all"):
        done = mrbench((*RUN, "--fresh", fresh), shared, user=User(SECOND, 0o022, GROUP))
        tally["tried"] += 1
        assert done.names_what_to_do, (done.code, done.err)
        assert stored(shared) == before
        tally["named"] += 1
