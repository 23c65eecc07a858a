"""`mrbench data rm` from the command line."""

from __future__ import annotations

import io
import sys


def answer(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_it_asks_first(call, shop, monkeypatch):
    answer(monkeypatch, "n\n")
    code, out, err = call("data", "rm", "shop")
    assert (code, out) == (0, "")
    assert "delete data/shop (" in err
    assert err.endswith("data/shop was not deleted\n")
    assert shop.is_dir()
    answer(monkeypatch, "y\n")
    code, out, _ = call("data", "rm", "shop")
    assert (code, out) == (0, "deleted data/shop\n")
    assert not shop.exists()


def test_without_an_answer_nothing_is_deleted(call, shop, monkeypatch):
    answer(monkeypatch, "")
    code, out, err = call("data", "rm", "shop")
    assert (code, out) == (2, "")
    assert "data/shop was not deleted: nobody answered; give --yes" in err
    assert shop.is_dir()


def test_yes(call, shop):
    assert call("data", "rm", "shop", "--yes", "--data-dir", "data")[:2] == (0, "deleted data/shop\n")
    code, _, err = call("data", "rm", "shop", "--yes")
    assert code == 2
    assert "unknown data 'shop'" in err
