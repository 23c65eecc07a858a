"""Published causal LLMs: the next code after the prompt and the codes so far (paper eq. 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from mindrec_bench.core.dataset import Histories

from ..code_lm.causal_lm import causal_mask
from ..common.packed_beams import beam_mask
from ..common.vocabulary import next_code_loss
from .prompt_encoder import TargetLayout
from .text_network import TextNetwork, positions_of


class TextCausal(TextNetwork):
    """Predicts the next code from the prompt and the codes so far."""

    def fill(self, tail: TargetLayout, codes: Tensor, slots: Tensor) -> Tensor:
        """Tokens after the prompt and before the next slot, which is slot t. Shapes: (b, t), (t,) -> (b, places[t])

        With all T codes: before the last slot. What comes after it changes no answer.
        """
        length = tail.places[min(codes.shape[1], len(tail.places) - 1)]
        tokens = self.tokens_at(codes, slots)
        columns = [codes.new_full((len(codes),), max(token, 0)) for token in tail.ids[:length]]
        for slot, place in enumerate(tail.places[: codes.shape[1]]):
            if place < length:
                columns[place] = tokens[:, slot]
        return torch.stack(columns, dim=1) if columns else codes.new_zeros(len(codes), 0)

    def forward(self, prompt: Tensor, seen: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The training loss: cross-entropy over the model's whole vocabulary, mean over target slots and examples.

        Args:
            prompt, seen: from `PromptEncoder.prompts`. Shapes: (b, n)
            labels: code indices of the target. Shape: (b, T)
        """
        slots = torch.arange(labels.shape[1], device=labels.device)
        tail = self.chat.tail(range(labels.shape[1]))
        after = self.fill(tail, labels, slots)
        whole = torch.cat([self.seen(seen), seen.new_ones(after.shape)], dim=1)
        ids = torch.cat([prompt, after], dim=1)
        states = self.run(ids, mask=causal_mask(whole), positions=positions_of(whole))
        before = prompt.shape[1] - 1
        at_slots = torch.stack([states[:, before + place] for place in tail.places], dim=1)
        return {"loss": next_code_loss(self.logits(at_slots), self.tokens_at(labels, slots))}

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> TextCausalContext:
        """Read the prompts once, keeping keys and values. `slots`: the slots that are in the input at all."""
        device = self.codes.device
        ids, seen = (torch.from_numpy(array).to(device) for array in self.chat.prompts(histories, histories.users * 0))
        seen = self.seen(seen)
        cache = DynamicCache()
        with torch.no_grad():
            states = self.run(ids, mask=causal_mask(seen), positions=positions_of(seen), cache=cache)
        return TextCausalContext(
            network=self,
            read=tuple((keys, values) for keys, values, *_ in cache),
            seen=seen,
            first=states[:, -1:],
            tail=self.chat.tail(slots),
            canvas=torch.tensor(slots, device=device),
            own=self.tokens_of(slots),
        )


@dataclass(frozen=True, eq=False)
class TextCausalContext:
    """Answers for one batch of users.

    Attributes:
        network: ready for answers.
        read: keys and values of the prompt in each layer. Shapes: (B, heads, n, head size)
        seen: which positions of the prompt are attended to. Shape: (B, n)
        first: last hidden state of the prompt. Shape: (B, 1, hidden)
        tail: what follows the prompt.
        canvas: the slots of the space on the canvas. Shape: (T,)
        own: their codes' tokens, -1 beyond a slot's last one. Shape: (T, V)
    """

    network: TextCausal
    read: tuple[tuple[Tensor, Tensor], ...]
    seen: Tensor
    first: Tensor
    tail: TargetLayout
    canvas: Tensor
    own: Tensor

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """log p(code in slot t | history, prefix), normalised over the model's whole vocabulary.

        Only what follows the prompt goes through the network; the prompt's keys and values are shared by all beams.

        Args:
            prefix: code indices of the first t slots of the canvas. Shape: (B, K, t), int64

        Returns:
            -inf outside slot t's codes. Shape: (B, K, V), float32
        """
        slot, beams = prefix.shape[2], prefix.shape[1]
        with torch.no_grad():
            after = self.network.fill(self.tail, prefix.flatten(0, 1), self.canvas[:slot]).unflatten(0, (-1, beams))
            states = self._last(after) if after.shape[2] else self.first
            answers = self.network.slot_log_probs(states, self.own[slot])
            return answers.expand(-1, beams, -1)

    def _last(self, after: Tensor) -> Tensor:
        """Last hidden state of each beam. Shape: (B, K, m) -> (B, K, hidden)"""
        users, beams, length = after.shape
        own = beam_mask(beams, length, after.device)[None, None].expand(users, -1, -1, -1)
        mask = torch.cat([self.seen[:, None, None].expand(-1, -1, beams * length, -1), own], dim=-1)
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(self.read):
            cache.update(keys, values, layer)
        steps = torch.arange(length, device=after.device).repeat(beams)
        positions = self.seen.sum(dim=1, keepdim=True) + steps
        states = self.network.run(after.flatten(1, 2), mask=mask, positions=positions, cache=cache)
        return states.unflatten(1, (beams, length))[:, :, -1]
