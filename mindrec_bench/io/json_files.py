"""Read text and JSON files of users, with errors that say which file is broken and where."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from ..errors import DataError, MrbenchError


def read_text(path: Path, what: str = "", error_class: type[MrbenchError] = DataError) -> str:
    """Return the content of a UTF-8 file.

    Args:
        path: the file.
        what: what messages call it, before its path: `the sweep`.
        error_class: of the errors.

    Raises:
        DataError: the file can't be read, or is not valid UTF-8; or another error, if `error_class` says so.
    """
    name = f"{what} {path}".strip()
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise error_class(f"{name} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise error_class(f"{name} can't be read ({error.strerror}); check the path and its permissions") from error


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file, its keys in file order.

    Raises:
        DataError: the file can't be read, is not valid JSON (the message names the line), contains something other than
            an object, or an object in it has a key twice (json would silently keep the last one).
    """
    text = read_text(path)
    try:
        content = json.loads(text, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}; repair it there"
        ) from error
    except RepeatedKeyError as error:
        raise DataError(f"the key '{error}' occurs twice in {path}; keep one of them") from None
    except (RecursionError, ValueError) as error:
        raise DataError(f"{path} can't be read as JSON: {error}; repair the file") from error
    if "\\ud" in text.lower() and _has_lone_surrogates(content):
        raise DataError(f"{path} has half of a character (\\ud800 to \\udfff alone), which no text can hold; remove it")
    if not isinstance(content, dict):
        raise DataError(f'{path} must contain a JSON object, like {{"0": ...}}, and not a {type(content).__name__}')
    return content


def _has_lone_surrogates(content: Any) -> bool:
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


class RepeatedKeyError(Exception):
    """A JSON object has the same key twice; the message is the key."""


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The `object_pairs_hook` of `json` for files of users: json itself keeps the last of several equal keys.

    Raises:
        RepeatedKeyError: a key occurs twice.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        raise RepeatedKeyError(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return content
