"""The command `mrbench data tokenize`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from ..flags import FilePath, Users, data_dir_option, device_option, json_option, quiet_option
from ..messages import hide_messages


@click.command()
@click.argument("name")
@click.option("--method", "-m", metavar="NAME[:key=value,...]", help="rqkmeans, rqvae or letter.  [default: rqkmeans]")
@click.option("--preset", type=click.Choice(["tiger", "letter"]), help="A paper's settings (hours on a CPU).")
@click.option("--levels", type=int, help="Codes per item.  [default: 4, tiger 3]")
@click.option("--codes", type=int, help="Codes per level.  [default: 256]")
@click.option(
    "--vectors",
    metavar="PART[+PART...]",
    help="Sources of the item vectors: text (TF-IDF), text:MODEL (an encoder), cooc (co-occurrence), file:PATH.npy.  "
    "[default: text if items have titles, else cooc]",
)
@click.option("--dims", type=int, default=64, show_default=True, help="Dimensions of the text and cooc vectors.")
@click.option(
    "--on-collision",
    type=click.Choice(["resolve", "extra-code", "keep"]),
    help="How to handle items with equal codes: change codes, number the items with one more code, or keep them.  "
    "[default: resolve, tiger extra-code]",
)
@click.option(
    "--users",
    type=Users(),
    default="all",
    show_default=True,
    help="Users to train on, the first by id.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=42, show_default=True, help="Random seed.")
@device_option
@click.option("--max-minutes", type=click.FloatRange(min=0, min_open=True), help="Time limit of the training.")
@click.option("--out", type=FilePath(), help="Write a new data folder here; NAME stays unchanged.")
@click.option("--force", is_flag=True, help="Replace the semantic IDs that NAME has.")
@data_dir_option
@quiet_option
@json_option
def tokenize(name: str, **flags: Any) -> None:
    """Give the items of a dataset semantic IDs; NAME is an imported or known dataset, or a folder's path.

    \b
    mrbench data tokenize mydata
    mrbench data tokenize arts --method rqvae:epochs=500 --vectors text+cooc --out ./Arts-ours

    The IDs go into the dataset's folder; those of beauty, sports and toys into a copy, ./data/NAME, unless --data-dir
    says where the dataset is.

    Only the training parts of the sequences are read. An interrupted call continues when it is repeated.
    """
    from ...data.sources import tokenization_folders
    from ...tokenizers.report_text import format_report
    from ...tokenizers.tokenize_items import TokenizationRequest, tokenize_items
    from ...tokenizers.tokenizer_config import make_tokenizer_config

    as_json, data_dir = flags.pop("as_json"), flags.pop("data_dir")
    config = make_tokenizer_config(
        flags.pop("method"),
        flags.pop("preset"),
        levels=flags.pop("levels"),
        codes=flags.pop("codes"),
        on_collision=flags.pop("on_collision"),
    )
    hide_messages(flags["quiet"])
    folder, copy = tokenization_folders(name, data_dir)
    copy = None if flags["out"] else copy
    flags["out"] = flags["out"] or copy
    meta = tokenize_items(TokenizationRequest(folder, config, **flags))
    if as_json:
        click.echo(json.dumps(meta, ensure_ascii=False))
        return
    path = meta["folder"] if Path(meta["folder"]).is_absolute() else f"./{meta['folder']}"
    data = [path] if flags["out"] and not copy else [name, *(["--data-dir", str(data_dir)] if data_dir else [])]
    next_command = shlex.join(["mrbench", "run", "--model", "markov", "--decoder", "dbs-dedup", "--data", *data])
    click.echo(f"{format_report(meta)}\n\n{path}\nnext: {next_command}")
