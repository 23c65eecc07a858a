"""Table readers: what `open_table` returns, and what the readers of all formats share.

At most one block of a file is in memory at a time.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from ...errors import DataError
from ..issues import Issues

RowName = Callable[[int], str]
"""What messages call the i-th row of a batch: `row 7`, or `line 7`."""


class TextBatch(NamedTuple):
    """Consecutive rows of a table.

    Attributes:
        row_name: see `RowName`.
        columns: name -> strings, null where empty.
    """

    row_name: RowName
    columns: dict[str, pa.Array]


class TableReader(ABC):
    """A table file that is open for reading.

    Attributes:
        path: the file.
        header: the names of its columns.
    """

    path: Path
    header: list[str]

    @abstractmethod
    def batches(
        self, names: Sequence[str], issues: Issues, *, lists: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> Iterator[TextBatch]:
        """Stream columns. Text comes as it is; numbers of typed formats come in one form, whole ones as integers.

        Args:
            names: the columns.
            issues: gets rows that can't be read, which are left out.
            lists: those of the columns that may hold lists, which come as JSON text.
            ids: those of the columns that hold ids, whose numbers must be exact.

        Raises:
            DataError: the rest of the file can't be read.
        """

    def holds_rows(self, text: str) -> bool:
        """Whether a text with line breaks looks like several rows that a stray quote has joined."""
        return False


@contextmanager
def explain_read_errors(path: Path) -> Iterator[None]:
    """Turn what the readers raise into one sentence.

    Raises:
        DataError: says why the file can't be read.
    """
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise DataError(f"{path} is truncated or damaged inside its compression ({error}); get it again") from error
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} can't be read ({reason}); get or write it again") from error
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} can't be read ({reason}); check the file and its permissions") from error
