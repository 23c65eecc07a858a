"""The text of `mrbench list models llada`."""

from __future__ import annotations

from mindrec_bench.plugins.description import Option, PluginInfo
from mindrec_bench.report.plugin_text import plugin_text

OPTIONS = (
    Option("n", "choice", None, ("1", "2"), "slots a step."),
    Option("rate", "number or none", "none", (), "how fast; " + "and more " * 20),
    Option("shuffle", "yes or no", "yes", (), "a new order."),
)


def test_a_plugin_with_sizes_options_and_partners():
    plugin = PluginInfo(
        "mine", "My model.", "causal", "a.b:C (pkg)", {"tiny": "rate=0.1"}, OPTIONS, ("ar-beam", "greedy")
    )
    lines = plugin_text("model", plugin, 70).splitlines()
    assert lines[:6] == [
        "mine  [causal]  a.b:C (pkg)",
        "My model.",
        "",
        "--size      tiny (rate=0.1)",
        "works with  ar-beam, greedy",
        "options, as --model mine:key=value,key=value",
    ]
    assert lines[6] == "  n        1|2, must be given. Slots a step."
    assert lines[7].startswith("  rate     number or none, default: set by the size. How fast; and")
    assert lines[8].startswith("           more and more")
    assert lines[-1] == "  shuffle  yes or no, default yes. A new order."
    assert max(map(len, lines)) <= 70


def test_a_plugin_without_options():
    plugin = PluginInfo("plain", "Plain data.", "", "a.b:C (pkg)", {}, (), ())
    assert plugin_text("data", plugin, 80) == "plain  a.b:C (pkg)\nPlain data.\n\nno options"
