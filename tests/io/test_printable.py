"""What reaches a terminal."""

from __future__ import annotations

import json

import pytest

from mindrec_bench.io.printable import printable

ATTACKS = ["\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "\x08\x08", "\x1b[31mred", "\u202eabc", "\x7f", "a\rb", "\x1b[1A"]


@pytest.mark.parametrize("text", ATTACKS, ids=ascii)
def test_nothing_acts_on_the_terminal(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert json.loads(f'"{shown}"') == text, "JSON reads the same characters"


@pytest.mark.parametrize("text", ["é ↑ 漢字", "a\tb\nc", "\x1b[1mbold\x1b[0m", "\x1b[4mbest\x1b[0m\x1b[2m dim\x1b[0m"])
def test_text_and_our_own_styles_stay(text: str) -> None:
    assert printable(text) == text
