"""A fitted `idgenrec`: a causal model whose slots are the positions of its own textual IDs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Histories

from ..t5.encoder_decoder import T5Context
from .network import IdGenRecNetwork
from .subword_tokenizer import END
from .unique_ids import code_token_ids


@dataclass(frozen=True, eq=False)
class TextualIdModel:
    """See `mindrec_bench.core.protocols.Model`; `code_space` has the slots of the IDs.

    The end token of an ID is a code too: the score of an item is the log-probability of its whole ID, end included.
    """

    network: IdGenRecNetwork
    code_space: CodeSpace

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> TextualIdContext:
        """Encode the histories once. `slots`: all of `code_space`."""
        device = self.network.ids.device
        token_ids, attention_mask, _ = self.network.history_tokens(torch.from_numpy(histories.items).to(device))
        slot_tokens = code_token_ids(self.code_space).to(device)[list(slots)]
        t5_context = self.network.recommender.open_context(token_ids, attention_mask, slot_tokens)
        return TextualIdContext(t5_context, slot_tokens == END)


@dataclass(frozen=True, eq=False)
class TextualIdContext:
    """The causal context of one batch of users.

    Attributes:
        t5_context: the recommender's.
        is_end: which code of each slot is the end token. Shape: (T, V)
    """

    t5_context: T5Context
    is_end: Tensor

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """See `CausalContext`; after an end token the next one is the end again, with probability 1.

        Shape: (B, K, t) -> (B, K, V)
        """
        log_probs = self.t5_context.next_log_probs(prefix)
        slot = prefix.shape[2]
        if slot == 0:
            return log_probs
        has_ended = self.is_end[slot - 1][prefix[:, :, -1]]
        end_log_probs = torch.where(self.is_end[slot], 0.0, -torch.inf)
        return torch.where(has_ended[:, :, None], end_log_probs, log_probs)
