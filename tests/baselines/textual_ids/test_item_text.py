"""What of an item's text is read, and which words say most."""

from __future__ import annotations

import pytest

from mindrec_baselines.textual_ids.item_text import NAMELESS, keywords, lines
from mindrec_bench.core.dataset import ItemTexts


def texts(*titles: str, description: str = "", brand: str = "", categories: str = "") -> ItemTexts:
    n = len(titles)
    return ItemTexts(titles, (description,) * n, (brand,) * n, (categories,) * n)


def test_a_line_has_every_field_that_is_there() -> None:
    whole = texts("Red brush", description="For oil.", brand="Acme", categories="Arts,Painting,Brushes")
    assert lines(whole) == ["Red brush. Acme. Arts, Painting, Brushes. For oil."]
    assert lines(texts("Red brush", "")) == ["Red brush", NAMELESS]


def test_keywords_are_what_few_titles_share_the_most_common_first() -> None:
    found = keywords(texts("The Red Brush", "the red easel", "the blue brush", "the blue xylograph"), 2)
    # "the" is in every title: its weight is 0, and it stands first where there is room for it; "red", "blue" and
    # "brush" are in two each, and what is equal goes by the alphabet; "easel" and "xylograph" are in one title only.
    assert found == ["brush red", "the red", "blue brush", "the blue"]


def test_a_word_of_one_item_is_taken_where_there_is_no_other() -> None:
    assert keywords(texts("alpha beta", "gamma"), 1) == ["alpha", "gamma"]


def test_a_word_that_stands_twice_weighs_more() -> None:
    assert keywords(texts("oil wax wax", "oil wax", "pen", "ink"), 1)[0] == "wax"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (texts("", description="Fine sable"), "fine sable"),
        (texts("", categories="Arts,Sable brushes"), "arts brushes sable"),
        (texts("12 x 7"), NAMELESS),
        (texts("Große Pinsel"), "große pinsel"),
    ],
    ids=["by its description", "by its categories", "no words", "other letters"],
)
def test_items_without_a_title(item: ItemTexts, expected: str) -> None:
    assert keywords(item, 4) == [expected]
