"""The files of a tokenization: `<Name>.index.json` in the public layout, and how it was made beside it."""

from __future__ import annotations

import json
import os
import shutil
import string
from pathlib import Path
from typing import Any

from ..core.code_space import Int
from ..errors import UsageError
from ..io.atomic import atomic_write, explain_write_errors, write_json
from ..io.hashing import sha256

INDEX, META = "index.json", "index.meta.json"


def folder_name(folder: Path) -> str:
    """The name that the files of a data folder carry."""
    return os.path.basename(os.path.abspath(folder))


def check_free(folder: Path, out: Path | None, *, force: bool) -> None:
    """Refuse to overwrite codes, or a folder.

    Raises:
        UsageError: the folder has semantic IDs and `force` is false, or the new folder `out` is there already.
    """
    if out is not None:
        if out.exists():
            raise UsageError(f"{out} is there already; name a new folder with --out, or remove it")
        if not folder_name(out):
            raise UsageError(f"--out {out} names no folder; give the new folder a name")
        return
    index = folder / f"{folder_name(folder)}.{INDEX}"
    if index.exists() and not force:
        raise UsageError(
            f"{index} holds semantic IDs already; replace them with --force, or make a new data folder with --out"
        )


def write_codes(folder: Path, item_ids: list[str], codes: Int, meta: dict[str, Any]) -> None:
    """Write both files atomically; the second says the first one's checksum, so a pair that is torn apart shows.

    Args:
        folder: the data folder.
        item_ids: Length N.
        codes: Shape: (N, M)
        meta: how the codes were made; gets `index_sha256`.

    Raises:
        MrbenchError: the folder can't be written.
    """
    index, about = (folder / f"{folder_name(folder)}.{ending}" for ending in (INDEX, META))
    letters = string.ascii_lowercase[: codes.shape[1]]
    rows = {
        item: [f"<{letter}_{code}>" for letter, code in zip(letters, row, strict=True)]
        for item, row in zip(item_ids, codes.tolist(), strict=True)
    }
    content = json.dumps(rows, ensure_ascii=False).encode()
    with explain_write_errors(about, "--out"):
        about.unlink(missing_ok=True)
    atomic_write(index, lambda file: file.write(content), option="--out")
    write_json(about, {**meta, "index_sha256": sha256(index)})


def copy_folder(folder: Path, out: Path) -> None:
    """Copy a data folder without its semantic IDs to `out`, whose files carry the new name.

    Raises:
        MrbenchError: it can't be written.
    """
    old, new = folder_name(folder), folder_name(out)
    with explain_write_errors(out, "--out"):
        out.mkdir(parents=True)
        for file in sorted(folder.iterdir()):
            rest = file.name.removeprefix(f"{old}.")
            if not file.is_file() or rest in (INDEX, META) or file.name.startswith("."):
                continue
            shutil.copyfile(file, out / (f"{new}.{rest}" if rest != file.name else file.name))
