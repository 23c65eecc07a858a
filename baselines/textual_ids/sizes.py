"""The sizes of `idgenrec` and what depends on them; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

T5_SMALL = "t5-small"
"""The size that starts from a checkpoint, and that checkpoint's id on the hub."""


@dataclass(frozen=True)
class TextSizeDefaults:
    """What depends on the size beside the options of `SizeDefaults`.

    Attributes:
        vocabulary: most tokens of a tokenizer that is trained.
        text_tokens: how many tokens of an item's text the generator reads.
        keyword_epochs, reach: see `IdGenRec`.
    """

    vocabulary: int
    text_tokens: int
    keyword_epochs: int
    reach: int


TEXT_SIZE_DEFAULTS = {
    "tiny": TextSizeDefaults(vocabulary=1000, text_tokens=32, keyword_epochs=40, reach=1),
    "small": TextSizeDefaults(vocabulary=8000, text_tokens=64, keyword_epochs=10, reach=2),
    T5_SMALL: TextSizeDefaults(vocabulary=0, text_tokens=128, keyword_epochs=3, reach=10),
}
