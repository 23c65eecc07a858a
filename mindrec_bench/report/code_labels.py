"""Labels of models and decoders that tell apart plugins of one name."""

from __future__ import annotations

from collections.abc import Sequence


def with_code(labels: Sequence[str], codes: Sequence[str]) -> list[str]:
    """The labels; each that stands there with different code gets the hash of its code.

    Args:
        labels: of models, or of decoders.
        codes: the hash of the code of each; '' of what is built in, or where it is not known.
    """
    versions: dict[str, set[str]] = {}
    for label, code in zip(labels, codes, strict=True):
        versions.setdefault(label, set()).add(code)
    return [
        f"{label} (code {code})" if code and len(versions[label]) > 1 else label
        for label, code in zip(labels, codes, strict=True)
    ]
