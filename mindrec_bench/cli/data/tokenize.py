"""The command `mrbench data tokenize`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from ..flags import Users, data_dir_option, json_option, notify


@click.command()
@click.argument("name")
@click.option("--method", "-m", metavar="NAME[:key=value,...]", help="rqkmeans, rqvae or letter.  [default: rqkmeans]")
@click.option("--preset", type=click.Choice(["tiger", "letter"]), help="A paper's settings (hours on a CPU).")
@click.option("--levels", type=int, help="Codes an item.  [default: 4, tiger 3]")
@click.option("--codes", type=int, help="Codes a level.  [default: 256]")
@click.option(
    "--vectors",
    metavar="PART[+PART...]",
    help="What items are known by: text (TF-IDF), text:MODEL (an encoder), cooc (co-occurrence), file:PATH.npy.  "
    "[default: text, where items have titles; else cooc]",
)
@click.option("--dims", type=int, default=64, show_default=True, help="Columns of text and cooc vectors.")
@click.option(
    "--on-collision",
    type=click.Choice(["resolve", "extra-code", "keep"]),
    help="Items with equal codes: move some, number them with one more code, or leave them.  "
    "[default: resolve, tiger extra-code]",
)
@click.option("--users", type=Users(), default="all", show_default=True, help="Users whose training parts are used.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=42, show_default=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--max-minutes", type=click.FloatRange(min=0, min_open=True), help="Stop training after so many minutes.")
@click.option("--out", type=click.Path(path_type=Path), help="Make this new data folder; NAME stays as it is.")
@click.option("--force", is_flag=True, help="Replace the semantic IDs that NAME has.")
@data_dir_option
@click.option("--quiet", "-q", is_flag=True, help="No progress, no notices.")
@json_option
def tokenize(name: str, **flags: Any) -> None:
    """Give the items of a data set semantic IDs; NAME is what it was imported as, a known name, or a folder's path.

    \b
    mrbench data tokenize mydata
    mrbench data tokenize arts --method rqvae:epochs=500 --vectors text+cooc --out ./Arts-ours

    Only the training parts are looked at. A killed call continues where it was when it is given again.
    """
    from ...data.sources import folder_of
    from ...tokenizers.methods import choose
    from ...tokenizers.text import to_text
    from ...tokenizers.tokenizer import Request, tokenize

    as_json, data_dir = flags.pop("as_json"), flags.pop("data_dir")
    choice = choose(
        flags.pop("method"),
        flags.pop("preset"),
        levels=flags.pop("levels"),
        codes=flags.pop("codes"),
        on_collision=flags.pop("on_collision"),
    )
    tell = (lambda line: None) if flags["quiet"] else notify
    folder = folder_of(name, data_dir)
    found = tokenize(Request(folder, choice, notify=tell, **flags))
    path = found["folder"] if Path(found["folder"]).is_absolute() else f"./{found['folder']}"
    there = [path] if flags["out"] else [name, *(["--data-dir", str(data_dir)] if data_dir else [])]
    again = shlex.join(["mrbench", "run", "--model", "markov", "--decoder", "dbs-dedup", "--data", *there])
    click.echo(json.dumps(found, ensure_ascii=False) if as_json else f"{to_text(found)}\n\n{path}\nnext: {again}")
