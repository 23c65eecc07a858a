"""Check a data folder and report everything at once (`mrbench data validate`).

Errors make the data unusable; remarks are worth knowing and do no harm.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.dataset import MIN_INTERACTIONS
from ..errors import DataError
from ..io.json_files import read_object, read_text
from .catalogue_files import CATEGORY_CODE, INTEGER, SID_CODE, check_index, sort_ids
from .category_tree import shared_names, split_names
from .external_ids import read_external_ids
from .issues import Issues
from .locate import name_or_path
from .times import count_ties, read_times


class UserSequence(NamedTuple):
    """One user of a file; `where` is its place in messages, `user 7` or `line 3`."""

    where: str
    user: str
    items: list[Any]


@dataclass(eq=False)
class ValidationReport:
    """What `validate` finds.

    Attributes:
        folder: the folder that was checked.
        errors: issues with which the data can't be used.
        remarks: issues with which it can.
        counts: users, items and interactions, as far as they could be counted.
    """

    folder: Path
    errors: Issues = field(default_factory=Issues)
    remarks: Issues = field(default_factory=Issues)
    counts: dict[str, int] = field(default_factory=dict)

    def read_object(self, path: Path) -> dict[str, Any] | None:
        """The JSON object in a file; None, with an error, where the file does not hold one."""
        try:
            return read_object(path)
        except DataError as error:
            self.errors.add(str(error))
            return None


def validate(folder: Path) -> ValidationReport:
    """Check all files of a data folder.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; check the path, or see `mrbench list data` for known names")
    name, report = os.path.basename(os.path.abspath(folder)), ValidationReport(folder)
    sequences = _read_sequences(report, name)
    seen_items = _check_sequences(report, sequences)
    index_file, items_file = folder / f"{name}.index.json", folder / f"{name}.item.json"
    entries = (report.read_object(items_file) or {}) if items_file.is_file() else None
    if index_file.is_file():
        sids = report.read_object(index_file)
        if sids == {}:
            report.errors.add(f"{index_file} holds no items")
        catalogue = list(sids or {})
        _check_sids(report, sids or {}, index_file.name)
        _check_record(report, index_file)
        _check_items_have_sids(report, sequences, seen_items - set(catalogue))
    else:
        hint = f"missing file of semantic IDs; make it with `mrbench data tokenize {name_or_path(folder)}` before a run"
        report.remarks.add(hint, index_file.name)
        catalogue = sort_ids(seen_items | set(entries or {}))
    for item in catalogue:
        if item not in seen_items:
            report.remarks.add("items that no user has", f"item {item}")
    _check_categories(report, name, catalogue, entries)
    _check_times(report, name, sequences)
    _apply_external_ids(report, name, sequences, catalogue)
    report.counts = {
        "users": len(sequences),
        "items": len(catalogue),
        "interactions": sum(len(items) for _, _, items in sequences),
    }
    return report


def _read_sequences(report: ValidationReport, name: str) -> list[UserSequence]:
    json_file, text_file = report.folder / f"{name}.inter.json", report.folder / "user_sequence.txt"
    if json_file.is_file():
        sequences = []
        for user, items in (report.read_object(json_file) or {}).items():
            if isinstance(items, list):
                sequences.append(UserSequence(f"user {user}", user, items))
            else:
                report.errors.add(f"users in {json_file.name} whose items are not a list", f"user {user}")
        return sequences
    if not text_file.is_file():
        report.errors.add(f"{report.folder} has neither {json_file.name} nor {text_file.name}, the users' sequences")
        return []
    try:
        lines = enumerate(read_text(text_file).split("\n"), 1)
    except DataError as error:
        report.errors.add(str(error))
        return []
    return [UserSequence(f"line {number}", words[0], words[1:]) for number, line in lines if (words := line.split())]


def _check_sequences(report: ValidationReport, sequences: list[UserSequence]) -> set[str]:
    """Check user ids, lengths and the types of items; returns the ids of all items in the sequences."""
    users: dict[int, str] = {}
    for where, user, items in sequences:
        if not INTEGER.fullmatch(user):
            report.errors.add("users whose id is not a whole number", f"{where}: '{user}'")
        elif int(user) in users:
            report.errors.add("users that occur twice", f"{where} as {users[int(user)]}: '{user}'")
        else:
            users[int(user)] = where
        if len(items) < MIN_INTERACTIONS:
            report.remarks.add(f"users with fewer than {MIN_INTERACTIONS} interactions, who are skipped", where)
        if any(item == next_item for item, next_item in pairwise(items)):
            report.remarks.add("users who have an item twice in a row", where)
        if not {*map(type, items)} <= {int, str}:
            wrong = next(item for item in items if type(item) not in (int, str))
            report.errors.add("users with items that are neither texts nor whole numbers", f"{where}: {wrong!r}")
    if sequences and all(len(items) < MIN_INTERACTIONS for _, _, items in sequences):
        report.errors.add(f"no user has {MIN_INTERACTIONS} interactions, which training, validation and test need")
    return {str(item) for item in chain.from_iterable(items for _, _, items in sequences) if type(item) in (int, str)}


def _check_times(report: ValidationReport, name: str, sequences: list[UserSequence]) -> None:
    """Check that the times belong to the sequences, and count ties."""
    lengths = {int(user): len(items) for _, user, items in sequences if INTEGER.fullmatch(user)}
    if len(lengths) < len(sequences):
        return  # which has been reported
    users = np.array(sorted(lengths), dtype=np.int64)
    offsets = np.cumsum([0, *(lengths[user] for user in users.tolist())])
    try:
        times = read_times(report.folder, name, users, offsets, all_users=True)
    except DataError as error:
        report.errors.add(str(error))
        return
    if times is None:
        return
    ties = count_ties(np.repeat(users, np.diff(offsets)), times.values)
    if ties.interactions:
        report.remarks.add(
            f"{ties.interactions:,} interactions are at the time of another one of their user, {ties.targets:,} test "
            "targets among them"
        )


def _check_items_have_sids(report: ValidationReport, sequences: list[UserSequence], unknown: set[str]) -> None:
    for where, _, items in sequences if unknown else ():
        for item in items:
            if str(item) in unknown:
                report.errors.add("interactions with items that have no semantic ID", f"{where}: item {item}")


def _check_record(report: ValidationReport, index_file: Path) -> None:
    try:
        check_index(index_file)
    except DataError as error:
        report.errors.add(str(error))


def _check_sids(report: ValidationReport, sids: Mapping[str, Any], file: str) -> None:
    items_of_sid: dict[tuple[str, ...], list[str]] = {}
    for item, codes in _check_codes(report, sids, SID_CODE, file, "<a_11>").items():
        items_of_sid.setdefault(tuple(codes), []).append(item)
    for items in items_of_sid.values():
        for item in items if len(items) > 1 else ():
            report.remarks.add("items that share their semantic ID with another item", f"item {item}")


def _check_codes(
    report: ValidationReport, content: Mapping[str, Any], pattern: re.Pattern[str], file: str, example: str
) -> dict[str, list[str]]:
    """Check lists of codes; returns the valid ones."""
    valid = {}
    for item, codes in content.items():
        if not isinstance(codes, list) or not codes or not all(isinstance(code, str) for code in codes):
            report.errors.add(f"items in {file} that have no list of codes such as {example}", f"item {item}")
        elif malformed := next((code for code in codes if not pattern.fullmatch(code)), ""):
            kind = f"items in {file} with malformed codes; write codes like {example}"
            report.errors.add(kind, f"item {item}: {malformed}")
        else:
            valid[item] = codes
    if not valid:
        return valid
    length, _ = Counter(map(len, valid.values())).most_common(1)[0]
    for item, codes in valid.items():
        if len(codes) != length:
            kind = f"items in {file} whose number of codes is not {length}, as for most items"
            report.errors.add(kind, f"item {item}: {len(codes)}")
    return {item: codes for item, codes in valid.items() if len(codes) == length}


def _check_categories(
    report: ValidationReport, name: str, catalogue: list[str], entries: Mapping[str, Any] | None
) -> None:
    codes_file = report.folder / f"{name}.category.json"
    if codes_file.is_file():
        content = report.read_object(codes_file) or {}
        for item in catalogue:
            if item not in content:
                report.errors.add(f"items that {codes_file.name} lacks", f"item {item}")
        _check_codes(report, content, CATEGORY_CODE, codes_file.name, "<a:0>")
    if entries is None:
        report.remarks.add("missing file of item texts and categories", f"{name}.item.json")
        return
    _check_entries(report, catalogue, entries, has_category_codes=codes_file.is_file())


def _check_entries(
    report: ValidationReport, catalogue: list[str], entries: Mapping[str, Any], *, has_category_codes: bool
) -> None:
    """Check the entries of `<Name>.item.json`."""
    paths, known = [], set(catalogue)
    for item, entry in entries.items():
        if not isinstance(entry, dict):
            report.errors.add('items whose entry is not an object of fields such as "categories"', f"item {item}")
            continue
        text = entry.get("categories")
        if text is not None and not isinstance(text, str):
            kind = 'items whose categories are not one text such as "Arts,Sewing,Thread"'
            report.errors.add(kind, f"item {item}: {type(text).__name__}")
        elif text:
            paths.append(split_names(text))
        if item not in known:
            report.remarks.add("described items that are not in the catalogue", f"item {item}")
    for item in catalogue:
        entry = entries.get(item)
        fields = entry if isinstance(entry, dict) else {}
        text = fields.get("categories") or ""
        if not has_category_codes and isinstance(text, str) and len(split_names(text)) < 2:
            report.remarks.add("items without categories (a root alone is none)", f"item {item}")
        if not fields.get("title"):
            report.remarks.add("items without title", f"item {item}")
    if not has_category_codes:
        _check_parents(report, paths)


def _check_parents(report: ValidationReport, paths: Iterable[list[str]]) -> None:
    """A name is one node of the tree; where it occurs below two parents, the first path counts."""
    for name, (first, second) in shared_names(paths).items():
        kind = "category names below several parents, of which the first one counts"
        report.remarks.add(kind, f"'{name}' below '{first}' and '{second}'")


def _apply_external_ids(
    report: ValidationReport, name: str, sequences: list[UserSequence], catalogue: list[str]
) -> None:
    """Put external ids into the remarks. Errors keep the numbers, which are what the broken file contains."""
    users = [int(user) for _, user, _ in sequences if INTEGER.fullmatch(user)]
    try:
        external_ids = read_external_ids(report.folder, name, np.array(users, dtype=np.int64), catalogue)
    except DataError as error:
        report.errors.add(str(error))
        return
    if external_ids:
        report.remarks.rename("user", zip(users, external_ids.users, strict=True))
        report.remarks.rename("item", zip(catalogue, external_ids.items, strict=True))
