"""How much of the probability of the exact ten best sequences each decoder loses: as a difference, and as a share.

    python benchmarks/lost_share.py --data arts --runs-dir runs

The model is lifted `markov`, whose exact ranking is known. `lost@10`, which tables and `mrbench show` print, is the
probability of the exact ten best sequences of a user minus that of the ten results, averaged over users. The share
divides this average by that of the exact ten. A seed is not needed: nothing here is random.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import pyarrow.parquet as pq
from click.testing import CliRunner

from mindrec_bench.cli.main import cli

DECODERS = ("bs", "dbs-dedup", "dbs-penalty", "adaptive")


def main() -> None:
    """Print one line per decoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="arts-sim", help="the name or folder of a dataset")
    parser.add_argument("--runs-dir", default="runs", help="the run store")
    arguments = parser.parse_args()
    runs = {decoder: run(decoder, arguments.data, arguments.runs_dir) for decoder in DECODERS}
    exact = exact_probability(runs["adaptive"])
    print(f"the exact ten best sequences hold {exact:.3f} of the probability")
    for decoder, summary in runs.items():
        lost = summary["search_error"]["lost@10"]
        print(f"{decoder:12} lost@10 {lost:.3f}, a share of {lost / exact:.1%}")


def run(decoder: str, data: str, runs_dir: str) -> dict:
    """The result of a run, computed or stored."""
    words = ["run", "--model", "markov", "--decoder", decoder, "--data", data, "--categories", "none"]
    result = CliRunner().invoke(cli, [*words, "--runs-dir", runs_dir, "--json", "--quiet"], catch_exceptions=False)
    if result.exit_code:
        raise SystemExit(result.output)
    return json.loads(result.stdout)


def exact_probability(summary: dict) -> float:
    """Probability of the exact ten best sequences, a mean over users: what `adaptive` returns and what it lost."""
    scores = pq.read_table(f"{summary['path']}/rankings.parquet", columns=["score"])["score"].to_numpy()
    return float(np.exp(scores).sum()) / summary["users"] + summary["search_error"]["lost@10"]


if __name__ == "__main__":
    main()
