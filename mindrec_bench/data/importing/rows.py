"""Read a table of any usual kind as a stream of text columns; the kind is told by the content, not by the name.

Delimited text (comma, tab, semicolon or bar), JSON lines, or Parquet; text may be gzipped. Never is more than one block
of a file in memory.
"""

from __future__ import annotations

import gzip
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from ...errors import DataError
from ..faults import Faults

BLOCK = 8 << 20
"""Bytes read at once, and the longest line or quoted field."""


Batch = tuple[Callable[[int], str], dict[str, pa.Array]]
"""Names the place of the i-th row of the batch (`row 7`), and gives its columns, all of texts; null where empty."""


class Rows(ABC):
    """A table file that is open for reading.

    Attributes:
        path: the file.
        header: the names of its columns.
    """

    path: Path
    header: list[str]

    @abstractmethod
    def batches(self, names: Sequence[str], faults: Faults, lists: Sequence[str] = ()) -> Iterator[Batch]:
        """Stream some columns.

        Args:
            names: which.
            faults: gets rows that can't be read, which are left out.
            lists: those of them that may hold lists, which come as JSON text.

        Raises:
            DataError: the file can't be read on.
        """


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked where it is gzipped."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the readers raise into one sentence.

    Raises:
        DataError: says why the file can't be read.
    """
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is cut short or damaged inside its gzip packing ({error}); get it again") from error
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).split())
        if "straddling" in reason:
            raise DataError(
                f"{path} has a line longer than {BLOCK:,} bytes, or a quote that is never closed; correct it there"
            ) from error
        raise DataError(f"{path} can't be read ({reason}); get or write it again") from error
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} can't be read ({reason}); check the file and its permissions") from error
