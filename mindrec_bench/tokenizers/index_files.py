"""The files of a tokenization: `<Name>.index.json` in the public layout, and a record of how it was made beside it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import string
from pathlib import Path
from typing import Any

from ..core.code_space import Int
from ..errors import UsageError
from ..io.atomic import atomic_path, atomic_write, explain_write_errors, write_json

INDEX, META = "index.json", "index.meta.json"


def folder_name(folder: Path) -> str:
    """The name of a data folder, which its files carry as a prefix."""
    return os.path.basename(os.path.abspath(folder))


def refuse_overwriting(folder: Path, out: Path | None, *, force: bool) -> None:
    """Refuse to overwrite semantic IDs or an existing folder.

    Raises:
        UsageError: the folder has semantic IDs and `force` is false, or the new folder `out` exists already.
    """
    if out is not None:
        if out.exists():
            raise UsageError(f"{out} exists already; name a new folder with --out, or remove it")
        if not folder_name(out):
            raise UsageError(f"--out {out} is not the name of a folder; give the new folder a name")
        return
    index = folder / f"{folder_name(folder)}.{INDEX}"
    if index.exists() and not force:
        raise UsageError(
            f"{index} holds semantic IDs already; replace them with --force, or make a new data folder with --out"
        )


def write_index(folder: Path, item_ids: list[str], codes: Int, meta: dict[str, Any]) -> None:
    """Write both files atomically, the record first: a folder with an index is tokenized, and is not written again.

    The record contains the checksum of the index, so a mismatched pair is detected.

    Args:
        folder: the data folder.
        item_ids: Length N.
        codes: Shape: (N, M)
        meta: how the codes were made; `index_sha256` is added.

    Raises:
        MrbenchError: the folder can't be written.
    """
    index_path, meta_path = (folder / f"{folder_name(folder)}.{ending}" for ending in (INDEX, META))
    letters = string.ascii_lowercase[: codes.shape[1]]
    tokens = {
        item: [f"<{letter}_{code}>" for letter, code in zip(letters, row, strict=True)]
        for item, row in zip(item_ids, codes.tolist(), strict=True)
    }
    content = json.dumps(tokens, ensure_ascii=False).encode()
    write_json(meta_path, {**meta, "index_sha256": hashlib.sha256(content).hexdigest()})
    atomic_write(index_path, lambda file: file.write(content), option="--out")


def copy_data_folder(folder: Path, out: Path) -> None:
    """Copy a data folder without its semantic IDs to `out`; the copied files carry the new name.

    Raises:
        MrbenchError: the copy can't be written.
    """
    old_name, new_name = folder_name(folder), folder_name(out)
    with explain_write_errors(out, "--out"):
        out.mkdir(parents=True)
        for file in sorted(folder.iterdir()):
            ending = file.name.removeprefix(f"{old_name}.")
            if not file.is_file() or ending in (INDEX, META) or file.name.startswith("."):
                continue
            target = out / (f"{new_name}.{ending}" if ending != file.name else file.name)
            with atomic_path(target, option="--out") as temporary:
                shutil.copyfile(file, temporary)
