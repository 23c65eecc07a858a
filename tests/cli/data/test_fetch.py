"""`mrbench data fetch`."""

from __future__ import annotations


def test_data_on_this_machine_is_not_downloaded(call, tmp_path):
    (tmp_path / "data" / "Arts").mkdir(parents=True)
    assert call("data", "fetch", "arts") == (0, "data/Arts\n", "Arts is already at data/Arts\n")


def test_data_without_files_ends_with_2(call):
    code, out, err = call("data", "fetch", "arts-sim")
    assert (code, out) == (2, "")
    assert err == (
        "mrbench: there is nothing to download for 'arts-sim'; these can be downloaded: arts, games, instruments\n"
    )
