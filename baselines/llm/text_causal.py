"""Published causal LLMs: the next code after the prompt and the codes so far (paper eq. 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mindrec_bench.core.dataset import Histories

from ..code_lm.causal_lm import causal_mask
from ..common.vocabulary import next_code_loss
from .prompt_encoder import TargetLayout
from .text_network import KeysValues, TextNetwork, count_positions


class TextCausal(TextNetwork):
    """Predicts the next code from the prompt and the codes so far."""

    def target_ids(self, layout: TargetLayout, codes: Tensor, slots: Tensor) -> Tensor:
        """Token ids of the target before its next slot, which is slot t. Shapes: (b, t), (t,) -> (b, positions)

        With all T codes: before the last slot, because later tokens change no prediction.
        """
        length = layout.slot_positions[min(codes.shape[1], len(layout.slot_positions) - 1)]
        slot_ids = self.to_token_ids(codes, slots)
        columns = [codes.new_full((len(codes),), max(token, 0)) for token in layout.token_ids[:length]]
        for slot, position in enumerate(layout.slot_positions[: codes.shape[1]]):
            if position < length:
                columns[position] = slot_ids[:, slot]
        return torch.stack(columns, dim=1) if columns else codes.new_zeros(len(codes), 0)

    def forward(self, prompt_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The training loss: cross-entropy over the model's whole vocabulary, mean over target slots and examples.

        Args:
            prompt_ids, attention_mask: from `PromptEncoder.encode_prompts`. Shapes: (b, n)
            labels: code indices of the target. Shape: (b, T)
        """
        slots = torch.arange(labels.shape[1], device=labels.device)
        layout = self.encoder.target_layout(range(labels.shape[1]))
        target_ids = self.target_ids(layout, labels, slots)
        attended = torch.cat([self.attended(attention_mask), attention_mask.new_ones(target_ids.shape)], dim=1)
        token_ids = torch.cat([prompt_ids, target_ids], dim=1)
        states = self.encode(token_ids, mask=causal_mask(attended), position_ids=count_positions(attended))
        before = prompt_ids.shape[1] - 1
        slot_states = torch.stack([states[:, before + position] for position in layout.slot_positions], dim=1)
        return {"loss": next_code_loss(self.logits(slot_states), self.to_token_ids(labels, slots))}

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> TextCausalContext:
        """Compute the prompts once, keeping keys and values. `slots`: the slots of the space on the canvas."""
        device = self.code_token_ids.device
        prompts = self.encoder.encode_prompts(histories, histories.users * 0)
        prompt_ids, attention_mask = (torch.from_numpy(array).to(device) for array in prompts)
        attended = self.attended(attention_mask)
        with torch.no_grad():
            states, keys_values = self.encode_prompts(
                prompt_ids, mask=causal_mask(attended), position_ids=count_positions(attended)
            )
        return TextCausalContext(
            network=self,
            prompt_keys_values=keys_values,
            attended=attended,
            prompt_states=states[:, -1:],
            layout=self.encoder.target_layout(slots),
            slots=torch.tensor(slots, device=device),
            slot_token_ids=self.slot_token_ids(slots),
        )


@dataclass(frozen=True, eq=False)
class TextCausalContext:
    """The causal context of one batch of users.

    Attributes:
        network: ready for inference.
        prompt_keys_values: of the prompt.
        attended: which positions of the prompt are attended to. Shape: (B, n)
        prompt_states: last hidden state of the prompt. Shape: (B, 1, hidden)
        layout: of the target.
        slots: the slots of the space on the canvas. Shape: (T,)
        slot_token_ids: of their codes, -1 beyond a slot's last one. Shape: (T, V)
    """

    network: TextCausal
    prompt_keys_values: KeysValues
    attended: Tensor
    prompt_states: Tensor
    layout: TargetLayout
    slots: Tensor
    slot_token_ids: Tensor

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """log p(code in slot t | history, prefix), normalised over the model's whole vocabulary.

        Only the target goes through the network; all beams share the keys and values of the prompt.

        Args:
            prefix: code indices of the first t slots of the canvas. Shape: (B, K, t), int64

        Returns:
            -inf outside slot t's codes. Shape: (B, K, V), float32
        """
        slot, beams = prefix.shape[2], prefix.shape[1]
        with torch.no_grad():
            target_ids = self.network.target_ids(self.layout, prefix.flatten(0, 1), self.slots[:slot])
            target_ids = target_ids.unflatten(0, (-1, beams))
            states = self.prompt_states
            if target_ids.shape[2]:
                past_mask = self.attended[:, None].expand(-1, beams, -1)
                states = self.network.encode_after_prompt(target_ids, self.prompt_keys_values, past_mask, causal=True)[
                    :, :, -1
                ]
            log_probs = self.network.slot_log_probs(states, self.slot_token_ids[slot])
            return log_probs.expand(-1, beams, -1)
