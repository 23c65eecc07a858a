"""Published LLaDA: full attention over prompt and target, masks at the slots to fill (paper 3.1, eq. 5 and 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from peft import PeftModel
from torch import Tensor

from mindrec_bench.core.dataset import Histories

from ..code_lm.masked_diffusion import weighted_loss
from ..code_lm.masked_lm import Attention, isolate_history
from .prompt_encoder import PromptEncoder, TargetLayout
from .text_network import BATCH_TOKENS, KeysValues, TextNetwork, count_positions


class TextDenoiser(TextNetwork):
    """Predicts the codes of masked slots from the prompt and the revealed codes.

    Args:
        lora, encoder, attend_pads: see `TextNetwork`.
        attention: what a prompt attends to: the target too, or itself only (`prefix`), so that it is computed once.
    """

    def __init__(
        self, lora: PeftModel, encoder: PromptEncoder, *, attend_pads: bool = False, attention: Attention = "full"
    ) -> None:
        super().__init__(lora, encoder, attend_pads=attend_pads)
        self.attention = attention

    @property
    def mask_token_id(self) -> int:
        """The token at a masked slot."""
        assert self.encoder.mask_token_id is not None
        return self.encoder.mask_token_id

    def target_states(self, prompt_ids: Tensor, attention_mask: Tensor, target_ids: Tensor) -> Tensor:
        """Last hidden states of the target.

        Every position attends to every other one but the padding; a prompt only to itself with `attention=prefix`.

        Args:
            prompt_ids: Shape: (b, n)
            attention_mask: False in the padding of the prompt. Shape: (b, n), bool
            target_ids: Shape: (b, m)

        Returns:
            Shape: (b, m, hidden)
        """
        attended = torch.cat([self.attended(attention_mask), attention_mask.new_ones(target_ids.shape)], dim=1)
        mask = attended[:, None, None].expand(-1, 1, attended.shape[1], -1)
        if self.attention == "prefix":
            mask = isolate_history(mask, prompt_ids.shape[1])
        token_ids = torch.cat([prompt_ids, target_ids], dim=1)
        states = self.encode(token_ids, mask=mask, position_ids=count_positions(attended))
        return states[:, prompt_ids.shape[1] :]

    def target_ids(self, layout: TargetLayout, revealed: Tensor, slots: Tensor) -> Tensor:
        """Token ids of the target, the mask where nothing is revealed. Shapes: (b, T), (T,) -> (b, m)"""
        slot_ids = torch.where(revealed < 0, self.mask_token_id, self.to_token_ids(revealed, slots))
        columns = [revealed.new_full((len(revealed),), max(token, 0)) for token in layout.token_ids]
        for slot, position in enumerate(layout.slot_positions):
            columns[position] = slot_ids[:, slot]
        return torch.stack(columns, dim=1)

    def forward(
        self, prompt_ids: Tensor, attention_mask: Tensor, revealed: Tensor, labels: Tensor, weights: Tensor
    ) -> dict[str, Tensor]:
        """The training loss.

        Args:
            prompt_ids, attention_mask: from `PromptEncoder.encode_prompts`. Shapes: (b, n)
            revealed: code indices, -1 where masked. Shape: (b, T)
            labels: the true code indices. Shape: (b, T)
            weights: from `mask_targets`. Shape: (b, T)
        """
        slots = torch.arange(labels.shape[1], device=labels.device)
        layout = self.encoder.target_layout(range(labels.shape[1]))
        states = self.target_states(prompt_ids, attention_mask, self.target_ids(layout, revealed, slots))
        masked = revealed < 0
        masked_states = torch.stack([states[:, position] for position in layout.slot_positions], dim=1)[masked]
        target_tokens = self.to_token_ids(labels, slots)[masked]
        return {"loss": weighted_loss(self.logits(masked_states), target_tokens, weights[masked], len(labels))}

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> TextDenoiserContext:
        """Encode the prompts: as tokens, or where they attend to themselves only, as keys and values.

        Args:
            histories: of B users.
            slots: the slots of the space on the canvas.
        """
        device = self.code_token_ids.device
        prompts = self.encoder.encode_prompts(histories, histories.users * 0)
        prompt_ids, attention_mask = (torch.from_numpy(array).to(device) for array in prompts)
        return TextDenoiserContext(
            network=self,
            prompt_ids=prompt_ids,
            attention_mask=attention_mask,
            keys_values=self._prompt_keys_values(prompt_ids, attention_mask) if self.attention == "prefix" else None,
            layout=self.encoder.target_layout(slots),
            slots=torch.tensor(slots, device=device),
            slot_token_ids=self.slot_token_ids(slots),
        )

    def _prompt_keys_values(self, prompt_ids: Tensor, attention_mask: Tensor) -> KeysValues:
        """Of prompts that attend to themselves only, a few at a time."""
        attended, length = self.attended(attention_mask), prompt_ids.shape[1]
        mask = isolate_history(attended[:, None, None].expand(-1, 1, length, -1), length)
        parts = []
        with torch.no_grad():
            for rows in torch.arange(len(prompt_ids), device=prompt_ids.device).split(max(1, BATCH_TOKENS // length)):
                position_ids = count_positions(attended[rows])
                parts.append(self.encode_prompts(prompt_ids[rows], mask=mask[rows], position_ids=position_ids)[1])
        layers = zip(*parts, strict=True)
        return tuple((torch.cat([k for k, _ in layer]), torch.cat([v for _, v in layer])) for layer in layers)


@dataclass(frozen=True, eq=False)
class TextDenoiserContext:
    """The denoiser context of one batch of users.

    Attributes:
        network: ready for inference.
        prompt_ids: Shape: (B, n)
        attention_mask: False in the padding. Shape: (B, n)
        keys_values: of the prompts; None with full attention, where they are computed again for every beam.
        layout: of the target.
        slots: the slots of the space on the canvas. Shape: (T,)
        slot_token_ids: of their codes, -1 beyond a slot's last one. Shape: (T, V)
    """

    network: TextDenoiser
    prompt_ids: Tensor
    attention_mask: Tensor
    keys_values: KeysValues | None
    layout: TargetLayout
    slots: Tensor
    slot_token_ids: Tensor

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """log p(code in slot | history, revealed), normalised over the model's whole vocabulary.

        Args:
            revealed: code indices, -1 where nothing is revealed. Shape: (B, K, T)
            slots: columns of the canvas.

        Returns:
            -inf outside a slot's own codes. Shape: (B, K, S, V), float32
        """
        beams = revealed.shape[1]
        with torch.no_grad():
            target_ids = self.network.target_ids(self.layout, revealed.flatten(0, 1), self.slots)
            token_ids = torch.stack([self.slot_token_ids[slot] for slot in slots])
            states_of = self._full_states if self.keys_values is None else self._prefix_states
            chunks = []
            for states in states_of(target_ids.unflatten(0, (-1, beams))):
                slot_states = torch.stack([states[:, self.layout.slot_positions[slot]] for slot in slots], dim=1)
                chunks.append(self.network.slot_log_probs(slot_states, token_ids))
            return torch.cat(chunks).unflatten(0, (-1, beams))

    def _full_states(self, target_ids: Tensor) -> Iterator[Tensor]:
        """Last hidden states of targets, each with its prompt before it, a few at a time.

        Shape: (B, K, m) -> in all (B K, m, hidden)
        """
        _, beams, length = target_ids.shape
        target_ids = target_ids.flatten(0, 1)
        rows = torch.arange(len(target_ids), device=target_ids.device)
        for chunk in rows.split(max(1, BATCH_TOKENS // (self.prompt_ids.shape[1] + length))):
            users = chunk // beams
            yield self.network.target_states(self.prompt_ids[users], self.attention_mask[users], target_ids[chunk])

    def _prefix_states(self, target_ids: Tensor) -> Iterator[Tensor]:
        """As `_full_states`, with the keys and values of the prompts, which the beams of a user share."""
        assert self.keys_values is not None
        attended, (users, beams, length) = self.network.attended(self.attention_mask), target_ids.shape
        at_once = max(1, BATCH_TOKENS // (beams * length))
        for start in range(0, users, at_once):
            rows = slice(start, start + at_once)
            keys_values = tuple((keys[rows], values[rows]) for keys, values in self.keys_values)
            states = self.network.encode_after_prompt(target_ids[rows], keys_values, attended[rows], causal=False)
            yield states.flatten(0, 1)
