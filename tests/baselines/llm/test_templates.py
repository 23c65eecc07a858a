"""Prompt templates, built in and from a file."""

from __future__ import annotations

import pytest

from mindrec_baselines.llm.templates import TEMPLATES, read_templates
from mindrec_bench.errors import DataError


def test_built_in_templates():
    assert len(TEMPLATES) >= 8
    assert len({text.replace("{history}", "").lower() for text in TEMPLATES}) == len(TEMPLATES)
    assert all(text.count("{history}") == 1 for text in TEMPLATES)
    assert read_templates(None) == TEMPLATES


def test_templates_from_a_file(tmp_path):
    path = tmp_path / "templates.txt"
    path.write_text("Before:\n{history}\nNext?\n ---\n{history}, and then?\n\n---\n")
    assert read_templates(str(path)) == ("Before:\n{history}\nNext?", "{history}, and then?")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "but it contains none"),
        ("{history}\n---\nno field", "but template 2 does not contain it exactly once"),
        ("{history} {history}", "but template 1 does not contain it exactly once"),
    ],
    ids=["empty", "without", "twice"],
)
def test_a_malformed_file(tmp_path, text, message):
    path = tmp_path / "templates.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_templates(str(path))


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.txt can't be read"):
        read_templates(str(tmp_path / "nowhere.txt"))
