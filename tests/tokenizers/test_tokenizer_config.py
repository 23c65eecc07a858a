"""Names, options and presets of tokenizers."""

from __future__ import annotations

import click
import pytest

from mindrec_bench.cli.data.tokenize import tokenize
from mindrec_bench.errors import UsageError
from mindrec_bench.tokenizers.letter import Letter
from mindrec_bench.tokenizers.rqkmeans import RqKMeans
from mindrec_bench.tokenizers.rqvae import RqVae
from mindrec_bench.tokenizers.tokenizer_config import PRESETS, QUANTIZERS, make_tokenizer_config


def test_the_defaults() -> None:
    config = make_tokenizer_config(None)
    assert (config.name, config.quantizer, config.n_levels, config.n_codes) == ("rqkmeans", RqKMeans(), 4, 256)
    assert (config.on_collision, config.preset) == ("resolve", None)
    assert make_tokenizer_config("letter:alpha=0.5,epochs=7").quantizer == Letter(alpha=0.5, epochs=7)


def test_presets_have_the_settings_of_the_papers_and_can_be_changed() -> None:
    tiger = make_tokenizer_config(None, "tiger")
    assert tiger.quantizer == RqVae(
        hidden="512-256-128", latent=32, beta=0.25, epochs=20000, optimizer="adagrad", lr=0.4
    )
    assert (tiger.n_levels, tiger.n_codes, tiger.on_collision) == (3, 256, "extra-code")
    changed = make_tokenizer_config("rqvae:epochs=5", "tiger", levels=2, codes=64, on_collision="keep")
    assert changed.quantizer == RqVae(epochs=5, optimizer="adagrad", lr=0.4)
    assert (changed.n_levels, changed.n_codes, changed.on_collision) == (2, 64, "keep")
    assert make_tokenizer_config(None, "letter").quantizer == Letter(epochs=20000, hidden="2048-1024-512-256-128-64")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "rqvea"}, r"unknown method 'rqvea' \(did you mean 'rqvae'\?\); known: rqkmeans, rqvae, letter"),
        ({"method": "rqkmeans:epochs=3"}, "'rqkmeans' has no option 'epochs'"),
        ({"method": "rqvae:lr=0"}, "'rqvae': lr is 0.0; it must be above 0"),
        (
            {"method": "letter", "preset": "tiger"},
            "the preset 'tiger' is for the method rqvae; leave out --method letter",
        ),
        ({"method": None, "levels": 26}, "--levels is 26; it must be from 1 to 25"),
        ({"method": None, "levels": 0}, "--levels is 0; it must be from 1 to 25"),
        ({"method": None, "codes": 1}, "--codes is 1; it must be 2 or more"),
    ],
)
def test_invalid_values_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_tokenizer_config(**arguments)  # type: ignore[arg-type]


def test_the_command_names_all_quantizers_and_presets() -> None:
    """The command is imported without torch, so it repeats the names."""
    options = {option.name: option for option in tokenize.params}
    preset = options["preset"].type
    assert isinstance(preset, click.Choice)
    assert list(preset.choices) == list(PRESETS)
    assert all(name in (options["method"].help or "") for name in QUANTIZERS)
