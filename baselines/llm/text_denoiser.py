"""Published LLaDA: full attention over prompt and target, masks at the slots to fill (paper 3.1, eq. 5 and 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from peft import PeftModel
from torch import Tensor
from transformers import DynamicCache

from mindrec_bench.core.dataset import Histories

from ..code_lm.masked_diffusion import weighted_loss
from ..code_lm.masked_lm import Attention, isolate_history
from .prompt_encoder import PromptEncoder, TargetLayout
from .prompt_reading import PromptReading
from .text_network import BATCH_TOKENS, KeysValues, TextNetwork, count_positions


class TextDenoiser(TextNetwork):
    """Predicts the codes of masked slots from the prompt and the revealed codes.

    Args:
        lora, encoder, attend_pads: see `TextNetwork`.
        attention: what a prompt attends to: the target too, or itself only (`prefix`), so that it is computed once.
        refresh: r, with full attention: prompts are computed at every r-th step of a search, an approximation; below
            2: at each step.
    """

    def __init__(
        self,
        lora: PeftModel,
        encoder: PromptEncoder,
        *,
        attend_pads: bool = False,
        attention: Attention = "full",
        refresh: int = 0,
    ) -> None:
        super().__init__(lora, encoder, attend_pads=attend_pads)
        self.attention, self.refresh = attention, refresh

    @property
    def mask_token_id(self) -> int:
        """The token at a masked slot."""
        assert self.encoder.mask_token_id is not None
        return self.encoder.mask_token_id

    def target_states(
        self, prompt_ids: Tensor, attention_mask: Tensor, target_ids: Tensor, cache: DynamicCache | None = None
    ) -> Tensor:
        """Last hidden states of the target.

        Every position attends to every other one but the padding; a prompt only to itself with `attention=prefix`.

        Args:
            prompt_ids: Shape: (b, n)
            attention_mask: False in the padding of the prompt. Shape: (b, n), bool
            target_ids: Shape: (b, m)
            cache: gets the keys and values of prompt and target.

        Returns:
            Shape: (b, m, hidden)
        """
        attended = torch.cat([self.attended(attention_mask), attention_mask.new_ones(target_ids.shape)], dim=1)
        mask = attended[:, None, None].expand(-1, 1, attended.shape[1], -1)
        if self.attention == "prefix":
            mask = isolate_history(mask, prompt_ids.shape[1])
        token_ids = torch.cat([prompt_ids, target_ids], dim=1)
        states = self.encode(token_ids, mask=mask, position_ids=count_positions(attended), cache=cache)
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
            refresh=self.refresh,
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
    """The denoiser context of one batch of users; with `refresh`, what it returns depends on the calls before.

    Attributes:
        network: ready for inference.
        prompt_ids: Shape: (B, n)
        attention_mask: False in the padding. Shape: (B, n)
        keys_values: of the prompts; None with full attention.
        layout: of the target.
        slots: the slots of the space on the canvas. Shape: (T,)
        slot_token_ids: of their codes, -1 beyond a slot's last one. Shape: (T, V)
        refresh: see `TextDenoiser`.
        latest: with `refresh`, the last reading of the prompts, or nothing.
    """

    network: TextDenoiser
    prompt_ids: Tensor
    attention_mask: Tensor
    keys_values: KeysValues | None
    layout: TargetLayout
    slots: Tensor
    slot_token_ids: Tensor
    refresh: int = 0
    latest: list[PromptReading] = field(default_factory=list)

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
            chunks = []
            for states in self._target_states(target_ids.unflatten(0, (-1, beams)), revealed):
                slot_states = torch.stack([states[:, self.layout.slot_positions[slot]] for slot in slots], dim=1)
                chunks.append(self.network.slot_log_probs(slot_states, token_ids))
            return torch.cat(chunks).unflatten(0, (-1, beams))

    def _target_states(self, target_ids: Tensor, revealed: Tensor) -> Iterator[Tensor]:
        """Last hidden states of targets, a few at a time. Shapes: (B, K, m), (B, K, T) -> in all (B K, m, hidden)"""
        if self.keys_values is not None:
            past_mask = self._attended[:, None].expand(-1, target_ids.shape[1], -1)
            yield from self._states_after_prompts(target_ids, self.keys_values, past_mask)
        elif self.refresh < 2:
            yield from self._states_with_prompts(target_ids)
        elif self.latest and (reading := self.latest[0].reuse(revealed, self.refresh)) is not None:
            past_mask = self.latest[0].past_mask(reading, self._attended)
            yield from self._states_after_prompts(target_ids, self.latest[0].keys_values, past_mask)
        else:
            self.latest.clear()  # the next takes as much memory
            parts: list[list[tuple[Tensor, Tensor]]] = []
            yield from self._states_with_prompts(target_ids, parts)
            self.latest.append(PromptReading.from_parts(revealed, parts))

    @property
    def _attended(self) -> Tensor:
        return self.network.attended(self.attention_mask)

    def _states_with_prompts(
        self, target_ids: Tensor, parts: list[list[tuple[Tensor, Tensor]]] | None = None
    ) -> Iterator[Tensor]:
        """The prompt goes through the network with every target; `parts` gets its keys and values."""
        _, beams, length = target_ids.shape
        n, target_ids = self.prompt_ids.shape[1], target_ids.flatten(0, 1)
        rows = torch.arange(len(target_ids), device=target_ids.device)
        for chunk in rows.split(max(1, BATCH_TOKENS // (n + length))):
            prompts = self.prompt_ids[chunk // beams], self.attention_mask[chunk // beams]
            cache = None if parts is None else DynamicCache()
            yield self.network.target_states(*prompts, target_ids[chunk], cache)
            if parts is not None and cache is not None:
                parts.append([(keys[:, :, :n], values[:, :, :n]) for keys, values, *_ in cache])

    def _states_after_prompts(self, target_ids: Tensor, keys_values: KeysValues, past_mask: Tensor) -> Iterator[Tensor]:
        """With known keys and values of prompts, which the beams of a user share; see `encode_after_prompt`."""
        users, beams, length = target_ids.shape
        at_once = max(1, BATCH_TOKENS // (beams * length))
        for start in range(0, users, at_once):
            rows = slice(start, start + at_once)
            some = tuple((keys[rows], values[rows]) for keys, values in keys_values)
            states = self.network.encode_after_prompt(target_ids[rows], some, past_mask[rows], causal=False)
            yield states.flatten(0, 1)
