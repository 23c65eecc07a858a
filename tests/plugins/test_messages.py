"""What is logged is printed on stderr while a command runs, and logging is as before afterwards."""

from __future__ import annotations

import logging

import pytest
from click.testing import CliRunner

from mindrec_bench.cli.main import cli
from mindrec_bench.plugins import messages

RUN = ("run", "-m", "markov", "-d", "bs", "--data", "arts-sim:users=60,items=50")

LOGGERS = ("", "mindrec_bench", "mindrec_baselines", "mindrec_decoders")


def state():
    loggers = [logging.getLogger(name) for name in LOGGERS]
    return [(logger.level, list(logger.handlers)) for logger in loggers]


def test_calls_in_one_process_print_each_message_once(call):
    before = state()
    for _ in range(2):
        code, _, err = call(*RUN, "--users", "50")
        assert code == 0
        assert err.count("the first 50 of 60 simulated users; --users all takes all\n") == 1
    assert "this run is done already; --fresh computes it again\n" in err
    assert state() == before


def test_a_runner_of_click_gets_them_too(tmp_path):
    result = CliRunner().invoke(cli, [*RUN, "--users", "50", "--runs-dir", str(tmp_path)])
    assert "the first 50 of 60 simulated users" in result.stderr
    assert "the first 50 of 60 simulated users" not in result.stdout


def test_quiet_prints_none(call):
    code, _, err = call(*RUN, "--users", "50", "--quiet")
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("mindrec_bench.data", ["INFO", "WARNING"]),
        ("mindrec_decoders.bs", ["INFO", "WARNING"]),
        ("a_plugin.module", ["INFO", "WARNING"]),
        ("another_library", ["WARNING"]),
        ("root", ["WARNING"]),
    ],
)
def test_progress_is_that_of_our_packages_and_plugins(capsys, install_points, name, levels):
    install_points("a_plugin", "decoder", "a-name = a_plugin.module:Class")
    with messages.messages_on_stderr():
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logging.getLogger(name).log(level, logging.getLevelName(level))
    assert capsys.readouterr().err.splitlines() == levels


def test_a_record_that_can_not_be_formatted_ends_no_command(capsys):
    record = logging.LogRecord("another_library", logging.WARNING, __file__, 1, "%d", ("three",), None)
    messages.MessageHandler().handle(record)
    assert "Logging error" in capsys.readouterr().err
