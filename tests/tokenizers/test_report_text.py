"""The quality report as text."""

from __future__ import annotations

from typing import Any

from mindrec_bench.tokenizers.report_text import format_report


def meta(**changes: Any) -> dict[str, Any]:
    other = {"item": "8", "title": "drum stand", "shared": 2}
    report = {
        "items": 1200,
        "without_vector": 0,
        "moved": 40,
        "before": {"distinct_sids": 1150, "items_sharing_a_sid": 90, "error": 0.25},
        "after": {"distinct_sids": 1200, "items_sharing_a_sid": 0, "error": 0.2567},
        "slots": [{"used": 16, "entropy": 3.5}, {"used": 15, "entropy": 2.25}],
        "neighbours": {"of": 10, "share": 0.614, "chance": 0.071},
        "examples": [{"item": "7", "title": "x" * 80, "codes": [3, 5], "by_prefix": [other], "by_vector": [other]}],
    }
    head = {"method": "rqvae", "levels": 2, "codes": 16, "vectors": "text", "seed": 42, "seconds": 3.4}
    return {**head, "on_collision": "resolve", "report": report | changes}


def test_the_whole_report() -> None:
    assert format_report(meta()).splitlines() == [
        "rqvae, 2 levels of 16 codes, vectors text, seed 42: 1,200 items in 3 s",
        "                             before  after (resolve)",
        "distinct SIDs                 1,150            1,200",
        "items that share their SID       90                0",
        "error (1: as without codes)   0.250            0.257",
        "",
        "level  codes used  entropy, bits",
        "1              16           3.50",
        "2              15           2.25",
        "",
        "of an item's 10 nearest by vector, 61.4% share its first code (by chance 7.1%)",
        "",
        f"7 {'x' * 59}…  3-5",
        "  by codes (2 shared)   8 drum stand",
        "  by vector (2 shared)  8 drum stand",
    ]


def test_notes() -> None:
    text = format_report(meta(epochs=1500, first_loss=1.5, last_loss=0.25, without_vector=9))
    assert "\nloss 1.5000 -> 0.2500 in 1,500 epochs\n" in text
    assert "\nnote: nothing is known about 9 items; only chance tells their codes apart\n" in text
    full = format_report(meta(after={"distinct_sids": 256, "items_sharing_a_sid": 1100, "error": 0.3}))
    assert "note: 1,100 items still share a SID, since 1,200 items are more than 2 levels of 16 codes" in full
    assert "nearest by vector," not in format_report(meta(neighbours={"of": 0, "share": None, "chance": None}))


def test_a_note_if_first_codes_are_nearly_unique() -> None:
    """1,200 items have 900 first codes; 2^5 is near the square root of 1,200."""
    many = format_report(meta(slots=[{"used": 900, "entropy": 9.5}, {"used": 15, "entropy": 2.25}]))
    assert "note: 1,200 items have 900 first codes, so codes hardly show which items are similar" in many
    assert "--codes 32 (with --force)" in many
    assert "first codes" not in format_report(meta(slots=[{"used": 1200, "entropy": 10.0}])), (
        "a single level is an identifier"
    )
    assert "nothing is known about 1 item;" in format_report(meta(without_vector=1))
    other = {"item": "8", "title": "drum", "shared": 0}
    alone = {"item": "7", "title": "lyre", "codes": [3, 5], "by_prefix": [other], "by_vector": [other]}
    assert format_report(meta(examples=[alone])).splitlines()[-3:] == [
        "7 lyre  3-5",
        "  by codes: no other item has its first code",
        "  by vector (0 shared)  8 drum",
    ]
