"""The plain way of decoding, read from a file: what `mrbench bench --plain FILE.py` divides by."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch

from ..errors import UsageError
from .cases import Case


@dataclass(frozen=True)
class Plain:
    """A module with `decode(network, histories, rule, beam)`, and `RULES`, whose keys are the decoders it knows."""

    module: Any

    @classmethod
    def read(cls, path: Path) -> Plain:
        """Import a file.

        Raises:
            UsageError: it can't be imported, or lacks one of the two.
        """
        spec = spec_from_file_location("plain_way", path)
        try:
            assert spec is not None
            assert spec.loader is not None
            module = sys.modules[spec.name] = module_from_spec(spec)  # dataclasses look their module up
            spec.loader.exec_module(module)
            _ = module.decode, module.RULES
        except Exception as error:
            raise UsageError(f"--plain {path} is no Python file with `decode` and `RULES`: {error!r}") from error
        return cls(module)

    def knows(self, case: Case) -> bool:
        """Whether there is a plain way: for a masked model that shows its `network`, all slots open, no constraint."""
        users = case.users
        return (
            users.decoder.needs == "denoiser"
            and hasattr(case.loaded, "network")
            and case.decoder in self.module.RULES
            and users.categories in ("none", "generate")
            and users.constrain == "slots"
        )

    def seconds(self, case: Case) -> float:
        """Wall seconds of a batch."""
        start = time.perf_counter()
        with torch.inference_mode():
            network: Any = case.loaded
            self.module.decode(network.network, case.examples.histories, case.decoder, case.users.beam)
        if case.users.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start
