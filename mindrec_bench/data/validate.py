"""Check a data folder and say everything at once (`mrbench data validate`): errors, with which it can't be used, and
remarks, which are good to know.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..core.dataset import MIN_INTERACTIONS
from ..errors import DataError
from ..io.json_files import read_object, read_text
from .catalogue_files import CATEGORY_CODE, INTEGER, SID_CODE
from .category_tree import split_names
from .external_ids import read_external_ids
from .faults import Faults

Sequences = list[tuple[str, str, list[Any]]]
"""Place (`user 7`, `line 3`), user id and items of each user."""


@dataclass(eq=False)
class Findings:
    """What `validate` finds.

    Attributes:
        folder: what was checked.
        errors: with these the data can't be used.
        remarks: with these it can.
        broken: files that can't be read at all, a sentence each.
        counts: users, items and interactions, as far as they could be counted.
    """

    folder: Path
    errors: Faults = field(default_factory=Faults)
    remarks: Faults = field(default_factory=Faults)
    broken: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def error_lines(self) -> list[str]:
        """A line for each kind of error."""
        return [*self.broken, *self.errors.lines()]

    def object(self, path: Path) -> dict[str, Any]:
        """The JSON object in a file; empty, with an error, where it can't be read."""
        try:
            return read_object(path)
        except DataError as error:
            self.broken.append(str(error))
            return {}


def validate(folder: Path) -> Findings:
    """Check all files of a data folder.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; check the path, or see `mrbench list data` for known names")
    name, found = os.path.basename(os.path.abspath(folder)), Findings(folder)
    sequences = _sequences(found, name)
    in_sequences = _check_sequences(found, sequences)
    index = folder / f"{name}.index.json"
    described = folder / f"{name}.item.json"
    entries = found.object(described) if described.is_file() else None
    if index.is_file():
        sids = found.object(index)
        _check_sids(found, sids, index)
        catalogue = list(sids)
        _check_known(found, sequences, in_sequences, sids)
    else:
        what = f"missing file of semantic IDs; make it with `mrbench data tokenize {name}` before a run"
        found.remarks.add(what, index.name)
        catalogue = list(dict.fromkeys([*in_sequences, *(entries or {})]))
    for item in catalogue:
        if item not in in_sequences:
            found.remarks.add("items that no user has", f"item {item}")
    _check_categories(found, name, catalogue, entries)
    _check_own_ids(found, name, sequences, catalogue)
    found.counts = {
        "users": len(sequences),
        "items": len(catalogue),
        "interactions": sum(len(items) for _, _, items in sequences),
    }
    return found


def _sequences(found: Findings, name: str) -> Sequences:
    as_json, as_text = found.folder / f"{name}.inter.json", found.folder / "user_sequence.txt"
    if as_json.is_file():
        kept = []
        for user, items in found.object(as_json).items():
            if isinstance(items, list):
                kept.append((f"user {user}", user, items))
            else:
                found.errors.add(f"users in {as_json.name} whose items are no list", f"user {user}")
        return kept
    if not as_text.is_file():
        found.broken.append(f"{found.folder} has neither {as_json.name} nor {as_text.name}, the users' sequences")
        return []
    try:
        lines = enumerate(read_text(as_text).split("\n"), 1)
    except DataError as error:
        found.broken.append(str(error))
        return []
    return [(f"line {number}", words[0], words[1:]) for number, line in lines if (words := line.split())]


def _check_sequences(found: Findings, sequences: Sequences) -> set[str]:
    """Check users and the types of their items; returns the ids of all items met."""
    seen: dict[int, str] = {}
    for place, user, items in sequences:
        if not INTEGER.fullmatch(user):
            found.errors.add("users whose id is no whole number", f"{place}: '{user}'")
        elif int(user) in seen:
            found.errors.add("users that stand twice", f"{place} as {seen[int(user)]}: '{user}'")
        else:
            seen[int(user)] = place
        if len(items) < MIN_INTERACTIONS:
            found.remarks.add(f"users with fewer than {MIN_INTERACTIONS} interactions, who are skipped", place)
        if any(first == second for first, second in pairwise(items)):
            found.remarks.add("users who have an item twice in a row", place)
        if not {*map(type, items)} <= {int, str}:
            wrong = next(item for item in items if type(item) not in (int, str))
            found.errors.add("users with items that are neither texts nor whole numbers", f"{place}: {wrong!r}")
    if sequences and all(len(items) < MIN_INTERACTIONS for _, _, items in sequences):
        found.broken.append(f"no user has {MIN_INTERACTIONS} interactions, which training, validation and test need")
    return {str(item) for item in chain.from_iterable(items for _, _, items in sequences) if type(item) in (int, str)}


def _check_known(found: Findings, sequences: Sequences, in_sequences: set[str], sids: Mapping[str, Any]) -> None:
    """Every item of a sequence needs a semantic ID."""
    unknown = in_sequences - sids.keys()
    if not unknown:
        return
    for place, _, items in sequences:
        for item in items:
            if str(item) in unknown:
                found.errors.add("interactions with items that have no semantic ID", f"{place}: item {item}")


def _check_sids(found: Findings, sids: Mapping[str, Any], path: Path) -> None:
    if not sids and not found.broken:
        found.broken.append(f"{path} holds no item")
    good = _check_codes(found, sids, SID_CODE, path.name, "<a_11>")
    sharers: dict[tuple[str, ...], list[str]] = {}
    for item, codes in good.items():
        sharers.setdefault(tuple(codes), []).append(item)
    for items in sharers.values():
        for item in items if len(items) > 1 else ():
            found.remarks.add("items that share their semantic ID with another item", f"item {item}")


def _check_codes(
    found: Findings, content: Mapping[str, Any], pattern: Any, file: str, example: str
) -> dict[str, list[str]]:
    """Check lists of codes; returns the good ones."""
    good = {}
    for item, codes in content.items():
        if not isinstance(codes, list) or not codes or not all(isinstance(code, str) for code in codes):
            found.errors.add(f"items in {file} that have no list of codes such as {example}", f"item {item}")
        elif bad := next((code for code in codes if not pattern.fullmatch(code)), ""):
            found.errors.add(f"items in {file} with malformed codes; write codes like {example}", f"item {item}: {bad}")
        else:
            good[item] = codes
    if not good:
        return good
    length, _ = Counter(map(len, good.values())).most_common(1)[0]
    for item, codes in good.items():
        if len(codes) != length:
            what = f"items in {file} whose number of codes is not {length}, as of most"
            found.errors.add(what, f"item {item}: {len(codes)}")
    return {item: codes for item, codes in good.items() if len(codes) == length}


def _check_categories(found: Findings, name: str, catalogue: list[str], entries: Mapping[str, Any] | None) -> None:
    ready = found.folder / f"{name}.category.json"
    if ready.is_file():
        content = found.object(ready)
        for item in catalogue:
            if item not in content:
                found.errors.add(f"items that {ready.name} lacks", f"item {item}")
        _check_codes(found, content, CATEGORY_CODE, ready.name, "<a:0>")
    if entries is None:
        found.remarks.add("missing file of item texts and categories", f"{name}.item.json")
        return
    _check_entries(found, catalogue, entries, ready.is_file())


def _check_entries(found: Findings, catalogue: list[str], entries: Mapping[str, Any], ready: bool) -> None:
    """Check what `<Name>.item.json` says of each item."""
    paths, known = [], set(catalogue)
    for item, entry in entries.items():
        if not isinstance(entry, dict):
            found.errors.add('items whose entry is no object of fields such as "categories"', f"item {item}")
            continue
        text = entry.get("categories")
        if text is not None and not isinstance(text, str):
            what = 'items whose categories are not one text such as "Arts,Sewing,Thread"'
            found.errors.add(what, f"item {item}: {type(text).__name__}")
        elif text:
            paths.append(split_names(text))
        if item not in known:
            found.remarks.add("described items that are not in the catalogue", f"item {item}")
    for item in catalogue:
        entry = entries.get(item)
        fields = entry if isinstance(entry, dict) else {}
        text = fields.get("categories") or ""
        if not ready and isinstance(text, str) and len(split_names(text)) < 2:
            found.remarks.add("items without categories (a root alone is none)", f"item {item}")
        if not fields.get("title"):
            found.remarks.add("items without title", f"item {item}")
    if not ready:
        _check_tree(found, paths)


def _check_tree(found: Findings, paths: Iterable[list[str]]) -> None:
    """A name is one node of the tree: where it stands below two parents, the first path counts."""
    parents: dict[str, str] = {}
    told = set()
    for names in paths:
        for parent, name in pairwise(names):
            if parents.setdefault(name, parent) != parent and name not in told:
                told.add(name)
                what = "category names below several parents, of which the first one met counts"
                found.remarks.add(what, f"'{name}' below '{parents[name]}' and '{parent}'")


def _check_own_ids(found: Findings, name: str, sequences: Sequences, catalogue: list[str]) -> None:
    users = [int(user) for _, user, _ in sequences if INTEGER.fullmatch(user)]
    try:
        own = read_external_ids(found.folder, name, np.array(users, dtype=np.int64), catalogue)
    except DataError as error:
        found.broken.append(str(error))
        return
    if own:  # errors keep the numbers, which are what stands in the broken file
        found.remarks.rename("user", zip(users, own.users, strict=True))
        found.remarks.rename("item", zip(catalogue, own.items, strict=True))
