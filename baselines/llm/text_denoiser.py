"""Published LLaDA: full attention over prompt and target, masks at the slots to fill (paper 3.1, eq. 5 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mindrec_bench.core.dataset import Histories

from ..code_lm.masked_diffusion import weighted_loss
from .prompt_encoder import TargetLayout
from .text_network import TOKENS, TextNetwork, positions_of


class TextDenoiser(TextNetwork):
    """Predicts the codes of masked slots from the prompt and the revealed codes."""

    @property
    def mask(self) -> int:
        """The token of a masked slot."""
        assert self.chat.mask is not None
        return self.chat.mask

    def states(self, prompt: Tensor, seen: Tensor, tail: Tensor) -> Tensor:
        """Last hidden states of what follows the prompt; every position sees every other one but the padding.

        Args:
            prompt: tokens. Shape: (b, n)
            seen: False in the padding. Shape: (b, n), bool
            tail: tokens. Shape: (b, m)

        Returns:
            Shape: (b, m, hidden)
        """
        whole = torch.cat([self.seen(seen), seen.new_ones(tail.shape)], dim=1)
        mask = whole[:, None, None].expand(-1, 1, whole.shape[1], -1)
        states = self.run(torch.cat([prompt, tail], dim=1), mask=mask, positions=positions_of(whole))
        return states[:, prompt.shape[1] :]

    def fill(self, tail: TargetLayout, revealed: Tensor, slots: Tensor) -> Tensor:
        """Tokens after the prompt, the mask where nothing is revealed. Shapes: (b, T), (T,) -> (b, m)"""
        tokens = torch.where(revealed < 0, self.mask, self.tokens_at(revealed, slots))
        columns = [revealed.new_full((len(revealed),), max(token, 0)) for token in tail.ids]
        for slot, place in enumerate(tail.places):
            columns[place] = tokens[:, slot]
        return torch.stack(columns, dim=1)

    def forward(
        self, prompt: Tensor, seen: Tensor, revealed: Tensor, labels: Tensor, weights: Tensor
    ) -> dict[str, Tensor]:
        """The training loss.

        Args:
            prompt, seen: from `PromptEncoder.prompts`. Shapes: (b, n)
            revealed: code indices, -1 where masked. Shape: (b, T)
            labels: the true code indices. Shape: (b, T)
            weights: from `mask_targets`. Shape: (b, T)
        """
        slots = torch.arange(labels.shape[1], device=labels.device)
        tail = self.chat.tail(range(labels.shape[1]))
        states = self.states(prompt, seen, self.fill(tail, revealed, slots))
        masked = revealed < 0
        at_masks = torch.stack([states[:, place] for place in tail.places], dim=1)[masked]
        targets = self.tokens_at(labels, slots)[masked]
        return {"loss": weighted_loss(self.logits(at_masks), targets, weights[masked], len(labels))}

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> TextDenoiserContext:
        """Write the prompts. `slots`: the slots of the space that are in the input at all."""
        device = self.codes.device
        ids, seen = self.chat.prompts(histories, histories.users * 0)
        return TextDenoiserContext(
            network=self,
            prompt=torch.from_numpy(ids).to(device),
            seen=torch.from_numpy(seen).to(device),
            tail=self.chat.tail(slots),
            canvas=torch.tensor(slots, device=device),
            own=self.tokens_of(slots),
        )


@dataclass(frozen=True, eq=False)
class TextDenoiserContext:
    """Answers for one batch of users; with full attention the prompt is read again for every beam.

    Attributes:
        network: ready for answers.
        prompt: tokens. Shape: (B, n)
        seen: False in the padding. Shape: (B, n)
        tail: what follows the prompt.
        canvas: the slots of the space on the canvas. Shape: (T,)
        own: their codes' tokens, -1 beyond a slot's last one. Shape: (T, V)
    """

    network: TextDenoiser
    prompt: Tensor
    seen: Tensor
    tail: TargetLayout
    canvas: Tensor
    own: Tensor

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """log p(code in slot | history, revealed), normalised over the model's whole vocabulary.

        Args:
            revealed: code indices, -1 where nothing is revealed. Shape: (B, K, T)
            slots: columns of the canvas to answer.

        Returns:
            -inf outside a slot's own codes. Shape: (B, K, S, V), float32
        """
        beams = revealed.shape[1]
        with torch.no_grad():
            tails = self.network.fill(self.tail, revealed.flatten(0, 1), self.canvas)
            own = torch.stack([self.own[slot] for slot in slots])
            row = torch.arange(len(tails), device=tails.device)
            answers = []
            for part in row.split(max(1, TOKENS // (self.prompt.shape[1] + tails.shape[1]))):
                users = part // beams
                states = self.network.states(self.prompt[users], self.seen[users], tails[part])
                asked = torch.stack([states[:, self.tail.places[slot]] for slot in slots], dim=1)
                answers.append(self.network.slot_log_probs(asked, own))
            return torch.cat(answers).unflatten(0, (-1, beams))
