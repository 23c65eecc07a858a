"""The bytes of a text file, in UTF-8: decompressed and decoded while they are read, a block at a time."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from ...errors import DataError
from .text_format import TextFormat


class ByteStream(Protocol):
    """What can be read a block at a time; a block may be longer than was asked for, and is empty at the end only."""

    def read(self, size: int) -> bytes:
        """The next bytes."""


@contextmanager
def open_bytes(path: Path, text: TextFormat) -> Iterator[ByteStream]:
    """Open a file that may be compressed with gzip, bzip2, xz or zstd, or have another encoding than UTF-8.

    No thread reads from it, so that the process can end at any time.
    """
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        magic = file.read(6)
        file.seek(0)
        stream: ByteStream = stack.enter_context(_decompress(file, magic))
        yield _Utf8(stream, path, text) if text.encoding is not None else stream


def _decompress(file: BinaryIO, magic: bytes) -> Any:
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if magic.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(file)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    return file


class _Utf8:
    """A stream in another encoding, as UTF-8."""

    def __init__(self, stream: ByteStream, path: Path, text: TextFormat) -> None:
        self._stream, self._path, self._text = stream, path, text
        self._decoder = codecs.getincrementaldecoder(text.encoding or "utf-8")()
        self._ended = False

    def read(self, size: int) -> bytes:
        while not self._ended:
            data = self._stream.read(size)
            self._ended = not data
            try:
                decoded = self._decoder.decode(data, final=self._ended).encode()
            except UnicodeError as error:
                hint = self._text.hint("encoding with another one")
                raise DataError(
                    f"{self._path} is not {self._text.encoding} text ({error}); correct it{hint}"
                ) from error
            if decoded:
                return decoded
        return b""
