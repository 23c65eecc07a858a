"""Paraphrases, built in and from a file."""

from __future__ import annotations

import pytest

from mindrec_baselines.llm.templates import PARAPHRASES, read_templates
from mindrec_bench.errors import DataError


def test_the_built_in_ones():
    assert len(PARAPHRASES) >= 8
    assert len({text.replace("{history}", "").lower() for text in PARAPHRASES}) == len(PARAPHRASES)
    assert all(text.count("{history}") == 1 for text in PARAPHRASES)
    assert read_templates(None) == PARAPHRASES


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("Before:\n{history}\nNext?\n ---\n{history}, and then?\n\n---\n")
    assert read_templates(str(path)) == ("Before:\n{history}\nNext?", "{history}, and then?")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "and it has not"),
        ("{history}\n---\nno place", "and paraphrase 2 has not"),
        ("{history} {history}", "and paraphrase 1 has not"),
    ],
    ids=["empty", "without", "twice"],
)
def test_a_wrong_file(tmp_path, text, complaint):
    path = tmp_path / "mine.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=complaint):
        read_templates(str(path))


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.txt can't be read"):
        read_templates(str(tmp_path / "nowhere.txt"))
