"""Text towers that were converted wrongly, and text that was made into other ids than the tower was trained on."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import ftfy
import numpy as np
import pytest
import torch
from faults_in_graphs import Wrapped
from faults_in_rewrites import OnTop, after_init, sigmoid_gelu, unit_length
from faults_in_weights import swap_queries_and_keys
from numpy.typing import NDArray
from planting import EAGER, TEXT, fault
from torch import Tensor

from pe_validate.models.perception_encoder.text import deploy, tokenizer
from pe_validate.models.perception_encoder.text.config import END_OF_TEXT, NANO_TEXT, START_OF_TEXT
from pe_validate.models.perception_encoder.text.tower import TextBlock, TextTower
from pe_validate.models.registry import load_model

KINDS = ("onnx/fp32", "pte/fp32", "mlpackage/fp16", "coreai/fp32")


def other_mask(patch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]) -> None:
    after_init(patch, deploy.MaskedAttention, lambda made: made.mask.copy_(change(made.mask)))


@fault("rewrite", "block 0 attention", kinds=KINDS, model=TEXT)
def text_mask_missing(patch: pytest.MonkeyPatch) -> None:
    """Every token sees every other one, and the padding."""
    other_mask(patch, torch.zeros_like)


@fault("rewrite", "block 0 attention", kinds=KINDS, model=TEXT)
def text_mask_transposed(patch: pytest.MonkeyPatch) -> None:
    """A token sees what comes after it, and not what comes before."""
    other_mask(patch, lambda mask: mask.T.clone())


@fault("rewrite", "block 0 attention", kinds=KINDS, model=TEXT)
def text_mask_too_weak(patch: pytest.MonkeyPatch) -> None:
    """The mask adds −2 to a score, as if it were to be added before the scores are scaled."""
    other_mask(patch, lambda mask: mask * (-2 / deploy.HIDDEN))


@fault("rewrite", "block 0 attention", kinds=KINDS, model=TEXT)
def text_mask_on_the_padding_too(patch: pytest.MonkeyPatch) -> None:
    """Ids of 0 are masked as padding, and "!" is id 0 as well."""
    padding: list[Tensor] = []
    forward = deploy.DeployableText.forward

    def with_ids(self: Any, tokens: Tensor) -> Tensor:
        padding[:] = [(tokens == 0).to(self.positions.dtype) * deploy.HIDDEN]
        return forward(self, tokens)

    def attend(self: Any, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).view(len(x), self.heads, -1).transpose(0, 1) for layer in (self.query, self.key, self.value)
        )
        scores = torch.bmm(q, k.transpose(1, 2)) + self.mask + padding[0]
        attended = torch.bmm(torch.softmax(scores, dim=-1), v)
        out: Tensor = self.out(attended.transpose(0, 1).reshape(len(x), -1))
        return out

    patch.setattr(deploy.DeployableText, "forward", with_ids)
    patch.setattr(deploy.MaskedAttention, "forward", attend)


@fault("rewrite", "block 0 attention", kinds=KINDS, model=TEXT)
def text_attention_scale_missing(patch: pytest.MonkeyPatch) -> None:
    """Scores are not divided by the root of a head's width."""

    def unscaled(attention: Any) -> None:
        for tensor in (attention.query.weight, attention.query.bias):
            tensor *= NANO_TEXT.head_dim**0.5

    after_init(patch, deploy.MaskedAttention, unscaled)


def read_at(patch: pytest.MonkeyPatch, place: Callable[[Tensor], Tensor]) -> None:
    """Let the features be those of another token."""
    patch.setattr(deploy.DeployableText, "place", lambda _, tokens: place(tokens))


@fault("rewrite", "projection", kinds=KINDS, model=TEXT)
def text_pooled_at_the_last_position(patch: pytest.MonkeyPatch) -> None:
    """The features are those of the last position, where there is padding."""
    read_at(patch, lambda tokens: tokens.argmax(dim=-1) * 0 + tokens.shape[1] - 1)


@fault("rewrite", "projection", kinds=("onnx/fp32", "pte/fp32"), model=TEXT)
def text_pooled_before_the_end(patch: pytest.MonkeyPatch) -> None:
    """The features are those of the last word, one before the end of the text."""
    read_at(patch, lambda tokens: (tokens.argmax(dim=-1) - 1).clamp(min=0))


@fault("rewrite", "projection", kinds=KINDS, model=TEXT)
def text_features_normalised(patch: pytest.MonkeyPatch) -> None:
    """The features are scaled to length 1."""
    after_init(patch, deploy.DeployableText, lambda made: made.encoder.add_module("on_top", OnTop(unit_length)))


@fault("rewrite", "block 0 MLP", kinds=KINDS, model=TEXT)
def text_gelu_by_sigmoid(patch: pytest.MonkeyPatch) -> None:
    """GELU is x σ(1.702 x), as in the first CLIP."""
    sigmoid_gelu(patch)


def text_block(tower: TextTower, number: int) -> TextBlock:
    found = tower.transformer.resblocks[number]
    assert isinstance(found, TextBlock)
    return found


@fault("weights", "tokens", kinds=KINDS, model=TEXT)
def text_positions_off_by_one(tower: TextTower) -> None:
    """Positions begin at the second one."""
    tower.positional_embedding.copy_(tower.positional_embedding.roll(-1, 0))


@fault("weights", "tokens", kinds=KINDS, model=TEXT)
def text_embedding_of_another_checkpoint(tower: TextTower) -> None:
    """The embeddings of tokens are those of another checkpoint."""
    other = load_model(TEXT, "seed:8")
    tower.token_embedding.weight.copy_(other.get_parameter("token_embedding.weight"))


@fault("weights", "tokens", kinds=KINDS, model=TEXT)
def text_ids_off_by_one(tower: TextTower) -> None:
    """The table begins with a row for padding, and every id reads the row before its own."""
    tower.token_embedding.weight.copy_(tower.token_embedding.weight.roll(1, 0))


@fault("weights", "projection", kinds=KINDS, model=TEXT)
def text_projection_transposed(tower: TextTower) -> None:
    """The projection is transposed."""
    tower.text_projection.copy_(tower.text_projection.T.clone())


@fault("weights", "block 2 attention", kinds=KINDS, model=TEXT)
def text_queries_and_keys_swapped(tower: TextTower) -> None:
    """The first two thirds of a joint projection were taken for keys and queries."""
    swap_queries_and_keys(text_block(tower, 2).attn)


@fault("weights", "block 1 MLP", kinds=KINDS, model=TEXT)
def text_one_stale_bias(tower: TextTower) -> None:
    """One bias is left over from an earlier checkpoint."""
    stale = load_model(TEXT, "seed:8").get_parameter("transformer.resblocks.1.mlp.c_proj.bias")
    text_block(tower, 1).mlp.c_proj.bias.copy_(stale)


@fault("graph", "tokens", kinds=("onnx/fp32", "pte/fp32"), model=TEXT)
def text_ids_kept_in_16_bits(module: Any) -> Any:
    """Ids were stored in 16 bits with a sign, and the larger ones became the largest that these hold."""

    class Narrow(Wrapped):
        def forward(self, tokens: Tensor) -> Tensor:
            features: Tensor = self.module(tokens.clamp(max=32767))
            return features

    return Narrow(module)


@fault("graph", "tokens", kinds=KINDS, model=TEXT)
def text_table_in_four_bits_with_one_scale(module: Any) -> Any:
    """The table of embeddings was quantised to four bits with one scale for all of it."""
    table = module.embedding.weight
    scale = table.abs().max() / 7
    table.copy_((table / scale).round().clamp(-8, 7) * scale)
    return module


@fault("preprocessing", kinds=EAGER, model=TEXT)
def text_lower_casing_skipped(patch: pytest.MonkeyPatch) -> None:
    """Capital letters are kept."""

    def cleaned(text: str) -> str:
        return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())

    patch.setattr(tokenizer, "cleaned", cleaned)


@fault("preprocessing", kinds=EAGER, model=TEXT)
def text_html_not_unescaped(patch: pytest.MonkeyPatch) -> None:
    """Entities such as &amp; are left as they are written."""
    patch.setattr(html, "unescape", lambda text: text)


@fault("preprocessing", kinds=EAGER, model=TEXT)
def text_encoding_not_mended(patch: pytest.MonkeyPatch) -> None:
    """Text is not cleaned by ftfy: ligatures, curly quotes and UTF-8 that was read as Latin-1 stay."""
    patch.setattr(ftfy, "fix_text", lambda text: text)


@fault("preprocessing", kinds=EAGER, model=TEXT)
def text_white_space_kept(patch: pytest.MonkeyPatch) -> None:
    """Words are those of an encoder that keeps the space before them."""
    patch.setattr(tokenizer, "WORDS", r" ?[\p{L}]+| ?[\p{N}]| ?[^\s\p{L}\p{N}]+")
    patch.setattr(tokenizer, "_tokenizer", tokenizer._tokenizer.__wrapped__)  # which is made anew


@fault("preprocessing", kinds=EAGER, model=TEXT)
def text_vocabulary_of_another_tokenizer(patch: pytest.MonkeyPatch) -> None:
    """Ids are those of a vocabulary with the special tokens first."""
    encoded = tokenizer.encoded
    patch.setattr(tokenizer, "encoded", lambda texts: [[number + 2 for number in ids] for ids in encoded(texts)])


@fault("preprocessing", kinds=EAGER, model=TEXT)
def text_padded_with_the_end_token(patch: pytest.MonkeyPatch) -> None:
    """Texts are padded with the end of text and not with 0, as another tokenizer does."""

    tokenized = tokenizer.tokenized

    def padded(texts: Sequence[str], context: int) -> NDArray[np.int32]:
        ids = tokenized(texts, context)
        beyond = np.arange(context) > ids.argmax(axis=1)[:, None]
        return np.where(beyond, END_OF_TEXT, ids).astype(np.int32)

    patch.setattr(tokenizer, "tokenized", padded)


@fault("preprocessing", kinds=EAGER, model=TEXT)
def text_cut_without_its_end(patch: pytest.MonkeyPatch) -> None:
    """A text that is too long is cut at the context's length, and its end is cut off."""
    encoded = tokenizer.encoded

    def tokenized(texts: Sequence[str], context: int) -> NDArray[np.int32]:
        found = np.zeros((len(texts), context), np.int32)
        for row, ids in zip(found, encoded(texts), strict=True):
            whole = [START_OF_TEXT, *ids, END_OF_TEXT][:context]
            row[: len(whole)] = whole
        return found

    patch.setattr(tokenizer, "tokenized", tokenized)
