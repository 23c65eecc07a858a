"""The entry point of `mrbench` and of `python -m mindrec_bench`."""

import os

from .cli.stopping import stop_on_signals


def main() -> None:
    """Run the command line; a signal stops it without a traceback, even while it is imported."""
    stop_on_signals(at_once=True)
    _wait_without_spinning()
    from .cli.main import main as run_command_line

    stop_on_signals(at_once=False)
    run_command_line()


def _wait_without_spinning() -> None:
    """Let GNU's OpenMP, which reads the variable when torch is imported, put a waiting thread to sleep soon.

    By default it spins for milliseconds, and beside a busy process it does so on the core that the thread it waits for
    needs: decoding is then several times slower (docs/performance.md). 1,000 rounds are OpenMP's own choice where it
    has more threads than processors.
    """
    if not os.environ.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}:
        os.environ["GOMP_SPINCOUNT"] = "1000"


if __name__ == "__main__":
    main()
