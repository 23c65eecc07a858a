"""The entry point of `mrbench` and of `python -m mindrec_bench`."""

from .cli.stopping import stop_on_signals


def main() -> None:
    """Run the command line; a signal stops it without a traceback, even while it is imported."""
    stop_on_signals(at_once=True)
    from .cli.main import main as run_command_line

    stop_on_signals(at_once=False)
    run_command_line()


if __name__ == "__main__":
    main()
