"""`mrbench run`: train or reuse models, decode, store and print the results."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import click

from ..errors import MrbenchError, attempt_all
from ..experiment.config import ExecutionOptions, ExperimentConfig, make_config
from .config_file import config_option
from .config_options import config_options, split_options
from .flags import Ids, json_option, k_option, print_result, require_reachable
from .messages import hide_messages

AXES = ("data", "model", "seed", "decoder")
"""The options that may be given several times; all combinations run, those of one fitted model after each other."""


@click.command()
@config_option
@config_options(ExperimentConfig, multiple=AXES)
@config_options(ExecutionOptions, defaults={"quiet": False})
@click.option("--dry-run", is_flag=True, help="Print what would be run, and exit.")
@click.option(
    "--show-prompt", type=click.IntRange(min=1), help="As --dry-run, and print the prompts of the first N users."
)
@click.option(
    "--trace",
    type=Ids(),
    metavar="USER,USER,...",
    default=[],
    help="Keep, beside the run, how these users were decoded, for `mrbench show RUN --user` and `mrbench report`.",
)
@k_option
@json_option
def run(
    dry_run: bool, show_prompt: int | None, trace: list[str], ks: tuple[int, ...], as_json: bool, **flags: Any
) -> None:
    """Train (or reuse) a model, decode every test user, store and print the result.

    \b
    mrbench run --model llada --decoder dbs-penalty
    mrbench run -m markov -m pop -d bs -d adaptive --data arts    # four runs

    A killed run continues when the same command is given again; a finished one is only printed. Of several runs, one
    that fails does not stop the others, and the exit code is the highest.
    """
    values, execution = split_options(flags, ExecutionOptions)
    options = ExecutionOptions(**execution)
    hide_messages(options.quiet)
    configs = list(_combinations(values))
    for config in configs:
        require_reachable(ks, config.beam, "a run (--beam)")

    def show(config: ExperimentConfig) -> None:
        if dry_run or show_prompt:
            _print_plan(show_prompt, config, options, as_json)
        else:
            _print_run(config, options, trace, ks, as_json)

    if len(configs) == 1:
        show(configs[0])
        return

    def show_one(number: int) -> None:
        if number and not as_json:
            click.echo()
        show(configs[number])

    def print_failure(number: int, error: MrbenchError) -> None:
        click.echo(f"mrbench: {configs[number].command()}: {error}", err=True)

    sys.exit(attempt_all(range(len(configs)), show_one, print_failure))


def _combinations(values: dict[str, Any]) -> Iterator[ExperimentConfig]:
    axes = [dict.fromkeys(values[name]) for name in AXES]
    for combination in product(*axes):
        yield make_config({**values, **dict(zip(AXES, combination, strict=True))})


def _print_plan(prompts: int | None, config: ExperimentConfig, options: ExecutionOptions, as_json: bool) -> None:
    from ..distributed.torchrun import is_main_process
    from ..experiment.dry_run import dry_run, dry_run_text

    plan = dry_run(config, options, prompts=prompts or 0)
    if is_main_process():
        print_result(plan, dry_run_text(plan), as_json)


def _print_run(
    config: ExperimentConfig, options: ExecutionOptions, traced: list[str], ks: tuple[int, ...], as_json: bool
) -> None:
    from ..distributed.torchrun import is_main_process
    from ..experiment.run import run_experiment
    from ..report.run_text import run_text

    run = run_experiment(config, options).run
    if not is_main_process():
        return
    if traced:
        from ..experiment.fitted_run import set_up_again
        from ..experiment.user_trace import keep_traces, trace_users

        keep_traces(run, trace_users(set_up_again(run, options), traced))
    runs_flag = [] if options.runs_dir == Path("runs") else ["--runs-dir", str(options.runs_dir)]
    show_command = shlex.join(["mrbench", "show", run.id, *runs_flag])
    text = f"{run_text(run, ks)}\n\n{run.path}\nshow it again: {show_command}"
    print_result(run.as_dict(ks), text, as_json)
