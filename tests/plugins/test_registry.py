"""The registry: names, pairs, and third-party packages, installed as a `dist-info` folder on the path."""

from __future__ import annotations

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.plugins import registry

DECODER = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Greedy:
    \"\"\"One item, the best.

    More text.
    \"\"\"

    needs = "items"

    def decode(self, context, canvas, *, beam):
        raise NotImplementedError
"""


@pytest.fixture
def install(install_points):
    """install(package, module text, "name = module:Class", kind): put a package that registers a name on the path."""

    def add(package: str, text: str, point: str, kind: str = "decoder") -> None:
        (install_points(package, kind, point) / f"{package}.py").write_text(text)

    return add


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("model", {"llada", "markov", "oracle", "pop"}),
        ("decoder", {"bs", "dbs-dedup", "dbs-penalty", "rank-items"}),
        ("data", {"arts", "arts-sim", "games", "instruments"}),
    ],
)
def test_built_ins_are_listed_by_name_with_a_summary(kind, expected, notices):
    entries = registry.list_entries(kind, warn=True)
    assert [entry.name for entry in entries] == registry.names(kind) == sorted(registry.names(kind))
    assert expected <= {entry.name for entry in entries}
    assert notices == []
    for entry in entries:
        assert entry.summary.endswith("."), entry
        assert "(mindrec-bench)" in entry.origin
        assert set(filter(None, entry.capability.split(", "))) <= set(registry.CAN_ANSWER)
        assert bool(entry.capability) == (kind != "data")


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("model", "markof", r"unknown model 'markof' \(did you mean 'markov'\?\); known: .*oracle, pop"),
        ("decoder", "dbs-penalti", r"unknown decoder 'dbs-penalti' \(did you mean 'dbs-penalty'\?\)"),
        ("decoder", "zzz", r"unknown decoder 'zzz'; known: .*see `mrbench list`"),
    ],
)
def test_unknown_name(kind, name, message):
    with pytest.raises(UsageError, match=message):
        registry.load(kind, name)


def test_make_with_options():
    name, markov = registry.make("model", "markov:decay=0.5")
    assert (name, markov.decay, markov.mix) == ("markov", 0.5, 0.1)


@pytest.mark.parametrize(
    ("capability", "needs", "expected"),
    [
        ("items", "items", True), ("items", "denoiser", True), ("items", "causal", True),
        ("denoiser", "items", False), ("denoiser", "denoiser", True), ("denoiser", "causal", True),
        ("causal", "items", False), ("causal", "denoiser", False), ("causal", "causal", True),
    ],
)  # fmt: skip
def test_can_answer(capability, needs, expected):
    assert registry.can_answer(capability, needs) == expected
    if expected:
        registry.check_pair("m", capability, "d", needs)
    else:
        with pytest.raises(UsageError, match=r"^decoder 'd' can't work with model 'm': it "):
            registry.check_pair("m", capability, "d", needs)


@pytest.mark.parametrize("capability", ["items", "denoiser", "causal"])
def test_a_model_is_asked_for_the_first_of_several_needs_that_it_answers(capability):
    assert registry.check_pair("m", capability, "d", ("items", "denoiser", "causal")) == capability
    assert registry.served_capability(capability, ("causal", "items")) == "causal"
    assert registry.can_answer(capability, ("denoiser",)) == (capability != "causal")


def test_impossible_pair_names_the_reason_and_what_fits():
    with pytest.raises(UsageError) as caught:
        registry.check_pair("llama3", "causal", "bs", "denoiser")
    message = str(caught.value)
    assert "decoder 'bs' can't work with model 'llama3': it only knows the next code from left to right" in message
    works = {part.partition(" works with ")[0]: part.partition(" works with ")[2] for part in message.split("; ")}
    assert {"ar-beam", "rank-items"} == set(works["'llama3'"].split(", "))
    assert {"llada", "markov", "oracle", "pop"} <= set(works["'bs'"].split(", "))
    assert "llama3" not in works["'bs'"]


def test_third_party_package_registers_like_a_built_in(install):
    install("greedy_pack", DECODER, "greedy = greedy_pack:Greedy")
    (entry,) = [entry for entry in registry.list_entries("decoder") if entry.name == "greedy"]
    assert (entry.summary, entry.capability) == ("One item, the best.", "items")
    assert entry.origin == "greedy_pack:Greedy (greedy_pack)"
    assert registry.make("decoder", "greedy")[1].needs == "items"
    with pytest.raises(UsageError, match=r"'rank-items' works with .*markov") as caught:
        registry.check_pair("llada", "denoiser", "rank-items", "items")
    assert "greedy" not in str(caught.value)


def test_packages_are_those_of_all_registered_classes(install):
    install("greedy_pack", DECODER, "greedy = greedy_pack:Greedy")
    ours = {"mindrec_bench", "mindrec_baselines", "mindrec_decoders"}
    assert ours | {"greedy_pack"} <= registry.packages()


BROKEN = {
    "syntax": ("class Greedy", "Greedy", r"can't be imported: SyntaxError"),
    "import": ("import package_that_is_not_there", "Greedy", r"can't be imported: ModuleNotFoundError.*not_there"),
    "raises": ("1 / 0", "Greedy", r"can't be imported: ZeroDivisionError"),
    "name": (DECODER, "Greedi", r"can't be imported: AttributeError"),
    "parts": ("class Greedy: pass", "Greedy", r"does not fit the contract: it lacks needs, decode"),
    "plain class": (DECODER.replace("@dataclass(frozen=True)", ""), "Greedy", "contract: it is not a dataclass"),
    "capability": (
        DECODER.replace('"items"', '"scores"'),
        "Greedy",
        "'scores' is not a capability; use one of items, den",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_package_is_named_and_left_out(install, case, notices):
    text, cls, message = BROKEN[case]
    module = f"broken_{case.replace(' ', '_')}"
    install(module, text, f"greedy = {module}:{cls}")
    with pytest.raises(UsageError, match=rf"the decoder 'greedy' of {module}:{cls} \({module}\) .*{message}"):
        registry.load("decoder", "greedy")
    names = [entry.name for entry in registry.list_entries("decoder", warn=True)]
    assert "greedy" not in names
    assert "bs" in names
    assert len(registry.list_entries("decoder")) == len(names)
    assert len(notices) == 1, "who does not ask is not warned"
    assert notices[0].startswith(f"left out: the decoder 'greedy' of {module}:{cls}")


def test_two_packages_with_one_name_are_refused(install):
    install("pack_one", DECODER, "greedy = pack_one:Greedy")
    install("pack_two", DECODER, "greedy = pack_two:Greedy")
    message = r"two packages register the decoder 'greedy': pack_\w+:Greedy \(pack_\w+\) and pack_.*; uninstall one"
    with pytest.raises(UsageError, match=message) as caught:
        registry.names("decoder")
    assert all(f"{pack}:Greedy ({pack})" in str(caught.value) for pack in ("pack_one", "pack_two"))


def test_name_of_a_built_in_is_refused(install):
    install("pack_bs", DECODER, "bs = pack_bs:Greedy")
    with pytest.raises(UsageError, match=r"two packages register the decoder 'bs': .*mindrec_decoders\.bs:BeamSearch"):
        registry.load("decoder", "bs")
