"""A fitted `idgenrec`: answers over the slots of its own IDs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Histories

from ..t5.encoder_decoder import T5Context
from .network import IdNetwork
from .subwords import END
from .unique_ids import id_tokens


@dataclass(frozen=True, eq=False)
class IdModel:
    """See `Model`; `code_space` are the slots of the IDs, which the network knows too.

    An ID is over with its end, which is a code as well: the score of an item is the log-probability of its whole ID,
    end included.
    """

    network: IdNetwork
    code_space: CodeSpace

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> IdContext:
        """Read the histories once. `slots`: all of `code_space`."""
        device = self.network.ids.device
        tokens, there, _ = self.network.history(torch.from_numpy(histories.items).to(device))
        places = id_tokens(self.code_space).to(device)[list(slots)]
        return IdContext(self.network.recommender.context(tokens, there, places), places == END)


@dataclass(frozen=True, eq=False)
class IdContext:
    """Answers for one batch of users.

    Attributes:
        tokens: answers of the network.
        ends: which codes of each slot are the end. Shape: (T, V)
    """

    tokens: T5Context
    ends: Tensor

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """See `CausalContext`: after the end there is nothing but the end, for sure. Shape: (B, K, t) -> (B, K, V)"""
        answer = self.tokens.next_log_probs(prefix)
        slot = prefix.shape[2]
        if slot == 0:
            return answer
        over = self.ends[slot - 1][prefix[:, :, -1]]
        nothing = torch.where(self.ends[slot], 0.0, -torch.inf)
        return torch.where(over[:, :, None], nothing, answer)
