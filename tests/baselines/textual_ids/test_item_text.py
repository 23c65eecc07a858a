"""Item texts as lines, and the keywords of items."""

from __future__ import annotations

import pytest

from mindrec_baselines.textual_ids.item_text import PLACEHOLDER, keywords, text_lines
from mindrec_bench.core.dataset import ItemTexts


def texts(*titles: str, description: str = "", brand: str = "", categories: str = "") -> ItemTexts:
    n = len(titles)
    return ItemTexts(titles, (description,) * n, (brand,) * n, (categories,) * n)


def test_a_line_has_every_field_that_is_not_empty() -> None:
    full = texts("Red brush", description="For oil.", brand="Acme", categories="Arts,Painting,Brushes")
    assert text_lines(full) == ["Red brush. Acme. Arts, Painting, Brushes. For oil."]
    assert text_lines(texts("Red brush", "")) == ["Red brush", PLACEHOLDER]


def test_keywords_are_shared_by_few_titles_and_begin_with_the_most_common() -> None:
    words = keywords(texts("The Red Brush", "the red easel", "the blue brush", "the blue xylograph"), 2)
    # "the" is in every title: its weight is 0, and it comes first where a keyword is still missing; "red", "blue" and
    # "brush" are in two titles each, and ties are in alphabetical order; "easel" and "xylograph" are in one title only
    assert words == ["brush red", "the red", "blue brush", "the blue"]


def test_a_word_of_one_item_is_used_where_there_is_no_other() -> None:
    assert keywords(texts("alpha beta", "gamma"), 1) == ["alpha", "gamma"]


def test_a_repeated_word_weighs_more() -> None:
    assert keywords(texts("oil wax wax", "oil wax", "pen", "ink"), 1)[0] == "wax"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (texts("", description="Fine sable"), "fine sable"),
        (texts("", categories="Arts,Sable brushes"), "arts brushes sable"),
        (texts("12 x 7"), PLACEHOLDER),
        (texts("Große Pinsel"), "große pinsel"),
    ],
    ids=["from the description", "from the categories", "no words", "other letters"],
)
def test_keywords_without_english_titles(item: ItemTexts, expected: str) -> None:
    assert keywords(item, 4) == [expected]
