"""Names, options, presets."""

from __future__ import annotations

import click
import pytest

from mindrec_bench.cli.data.tokenize import tokenize
from mindrec_bench.errors import UsageError
from mindrec_bench.tokenizers.letter import Letter
from mindrec_bench.tokenizers.methods import METHODS, PRESETS, choose
from mindrec_bench.tokenizers.rqkmeans import RqKMeans
from mindrec_bench.tokenizers.rqvae import RqVae


def test_the_defaults() -> None:
    found = choose(None)
    assert (found.name, found.method, found.levels, found.codes) == ("rqkmeans", RqKMeans(), 4, 256)
    assert (found.on_collision, found.preset) == ("resolve", None)
    assert choose("letter:alpha=0.5,epochs=7").method == Letter(alpha=0.5, epochs=7)


def test_presets_are_the_papers_and_can_be_changed() -> None:
    tiger = choose(None, "tiger")
    assert tiger.method == RqVae(hidden="512-256-128", latent=32, beta=0.25, epochs=20000, optimizer="adagrad", lr=0.4)
    assert (tiger.levels, tiger.codes, tiger.on_collision) == (3, 256, "extra-code")
    changed = choose("rqvae:epochs=5", "tiger", levels=2, codes=64, on_collision="keep")
    assert changed.method == RqVae(epochs=5, optimizer="adagrad", lr=0.4)
    assert (changed.levels, changed.codes, changed.on_collision) == (2, 64, "keep")
    assert choose(None, "letter").method == Letter(epochs=20000, hidden="2048-1024-512-256-128-64")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "rqvea"}, r"unknown method 'rqvea' \(did you mean 'rqvae'\?\); known: rqkmeans, rqvae, letter"),
        ({"method": "rqkmeans:epochs=3"}, "'rqkmeans' has no option 'epochs'"),
        ({"method": "rqvae:lr=0"}, "'rqvae': lr is 0.0; it must be above 0"),
        ({"method": "letter", "preset": "tiger"}, "the preset 'tiger' is one of rqvae; leave out --method letter"),
        ({"method": None, "levels": 26}, "--levels is 26; it must be from 1 to 25"),
        ({"method": None, "levels": 0}, "--levels is 0; it must be from 1 to 25"),
        ({"method": None, "codes": 1}, "--codes is 1; it must be 2 or more"),
    ],
)
def test_what_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose(**arguments)  # type: ignore[arg-type]


def test_the_command_names_what_there_is() -> None:
    """The command is imported without torch, so it spells the names itself."""
    options = {option.name: option for option in tokenize.params}
    preset = options["preset"].type
    assert isinstance(preset, click.Choice)
    assert list(preset.choices) == list(PRESETS)
    assert all(name in (options["method"].help or "") for name in METHODS)
