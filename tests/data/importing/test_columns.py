"""Columns are recognised by name, or given."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindrec_bench.data.importing.columns import INTERACTION_ROLES, ITEM_ROLES, match_columns, parse_columns
from mindrec_bench.errors import DataError, UsageError

REQUIRED = ("user", "item", "timestamp")


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("user item timestamp rating", "user item timestamp rating"),
        ("reviewerID asin overall unixReviewTime reviewTime", "reviewerID asin unixReviewTime overall"),
        ("rating asin parent_asin user_id timestamp", "user_id parent_asin timestamp rating"),
        ("userId movieId rating timestamp", "userId movieId timestamp rating"),
        (
            "user_id:token item_id:token rating:float timestamp:float",
            "user_id:token item_id:token timestamp:float rating:float",
        ),
        ("UID SKU Date x", "UID SKU Date"),
    ],
)
def test_known_names(header: str, names: str) -> None:
    columns = match_columns(Path("x"), header.split(), INTERACTION_ROLES, REQUIRED, {})
    assert [columns.by_role[role] for role in INTERACTION_ROLES if role in columns.by_role] == names.split()


def test_given_names_come_first() -> None:
    columns = match_columns(Path("x"), ["user", "who", "item", "time"], INTERACTION_ROLES, REQUIRED, {"user": "who"})
    assert columns.by_role["user"] == "who"
    with pytest.raises(DataError, match=r"x has no column 'whom' for user; its columns are user, .*--column user=NAME"):
        match_columns(Path("x"), ["user", "item", "time"], INTERACTION_ROLES, REQUIRED, {"user": "whom"})


def test_category_levels_in_the_order_of_their_numbers() -> None:
    header = ["id", "category_10", "Category 2", "category1", "name"]
    columns = match_columns(Path("x"), header, ITEM_ROLES, ("id",), {})
    assert columns.category_levels == ("category1", "Category 2", "category_10")
    assert columns.by_role == {"id": "id", "title": "name"}
    assert match_columns(Path("x"), [*header, "genres"], ITEM_ROLES, ("id",), {}).category_levels == ()


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["user"], r"--column is 'user'; write ROLE=NAME"),
        (["user="], r"write ROLE=NAME"),
        (["usr=x"], r"unknown role 'usr' \(did you mean 'user'\?\)"),
        (["user=a", "user=b"], r"gives user twice"),
    ],
)
def test_refused(pairs: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_columns(pairs)


def test_a_name_may_contain_an_equals_sign() -> None:
    assert parse_columns(["user=a=b", "item=c"]) == {"user": "a=b", "item": "c"}
