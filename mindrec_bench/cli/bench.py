"""`mrbench bench`: how fast models and decoders are, and where their time goes."""

from __future__ import annotations

import json
import logging
from typing import Any

import click

from ..experiment.config import ExecutionOptions, ExperimentConfig
from ..io.atomic import write_json
from .config_options import config_options
from .flags import FilePath, json_option
from .messages import hide_messages

logger = logging.getLogger(__name__)


@click.command()
@click.option(
    "--model", "-m", "models", default=("llada",), show_default=True, multiple=True, help="Models: NAME,NAME,..."
)
@click.option(
    "--decoder",
    "-d",
    "decoders",
    default=("dbs-penalty",),
    show_default=True,
    multiple=True,
    help="Decoders: NAME,NAME,...",
)
@click.option("--beam", "beams", default="10", show_default=True, help="Results per user: N,N,...")
@click.option("--batch", "batches", default="128", show_default=True, help="Users decoded together: N,N,...")
@click.option("--history", "histories", default="10", show_default=True, help="Items of each history: N,N,...")
@config_options(ExperimentConfig, only=("data", "size", "categories", "constrain", "seed"))
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Timed batches of each case.")
@click.option(
    "--plain",
    type=FilePath(exists=True),
    help="An unoptimised implementation to compare with: FILE.py.",
)
@click.option("--out", type=FilePath(), help="Store the JSON here after each case: FILE.json.")
@click.option("--plot", type=FilePath(), help="Draw where the time goes: FILE.png, .svg or .pdf.")
@config_options(ExecutionOptions, only=("device", "data_dir", "quiet"), defaults={"quiet": False})
@json_option
def bench(**flags: Any) -> None:
    """Time decoding: every model with every decoder, beam, batch and history length that is named.

    \b
    mrbench bench --model llada,llama3 --decoder dbs-penalty,ar-beam --beam 1,10 --history 2,10 --size small
    mrbench bench --size small --plain benchmarks/plain_beam_search.py  # in a checkout: against the plain way

    Nothing is trained: networks have fresh weights, and histories are random items. Cases are timed one after the
    other, and each is said, and stored with --out, as it comes. Times are medians over the repeats, of wall time.
    """
    from ..bench.cases import BenchmarkGrid, BenchmarkOptions, make_cases, parse_names, parse_numbers
    from ..bench.counting import matrix_product_rate
    from ..bench.measure import measure_cases
    from ..bench.plain_decoder import PlainDecoder
    from ..bench.plot import check_format, write_plot
    from ..bench.result_table import to_json_row, to_line, to_text
    from ..distributed.devices import environment, pick_device
    from ..io.progress import ProgressBar

    if flags["plot"] is not None:
        check_format(flags["plot"])
    plain = PlainDecoder.read(flags["plain"]) if flags["plain"] is not None else None
    grid = BenchmarkGrid(
        parse_names(flags["models"]),
        parse_names(flags["decoders"]),
        *(parse_numbers(flag, flags[name]) for flag, name in _NUMBERS.items()),
    )
    names = ("data", "size", "categories", "constrain", "seed", "data_dir")
    hide_messages(flags["quiet"])
    device = pick_device(flags["device"])
    options = BenchmarkOptions(device=device, **{name: flags[name] for name in names})
    cases, repeats = make_cases(grid, options), flags["repeats"]
    rates = {name: matrix_product_rate(device, name) for name in sorted({case.precision for case in cases})}
    machine, rows = environment(device), list[dict[str, Any]]()
    value = {
        "environment": machine,
        "matrix_product_flops_per_second": rates,
        "repeats": repeats,
        "weights": "fresh",
        "histories": "random items",
        **{name: flags[name] for name in names[:-1]},
        "cases": rows,
    }
    with ProgressBar(total=len(cases) * (repeats + 1), unit=" batches", desc="bench", disable=flags["quiet"]) as bar:
        for result in measure_cases(cases, repeats, plain, bar.update):
            rows.append(to_json_row(result, rates[result.case.precision]))
            logger.info(to_line(rows[-1]))
            if flags["out"] is not None:
                write_json(flags["out"], value)
    products = ", ".join(f"{rate / 1e9:.0f} GFLOP/s in {name}" for name, rate in rates.items())
    head = (
        f"{machine['device_name']}, {machine['threads']} threads, torch {machine['versions']['torch']}; matrix product "
        f"{products}; fresh weights, random histories; medians of {repeats} repeats"
    )
    if flags["plot"] is not None:
        write_plot(rows, head, flags["plot"])
    click.echo(json.dumps(value, ensure_ascii=False) if flags["as_json"] else to_text(rows, head))


_NUMBERS = {"--beam": "beams", "--batch": "batches", "--history": "histories"}
