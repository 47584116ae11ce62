"""What the diagnosis of each planted fault should be, and the score of what was said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from planting import FAULTS, SHARED, import_catalogue

WANTED: Final = 0.95
"""Least share of the faults with a hypothesis that are named."""

NAMES: Final[dict[str, tuple[str, ...]]] = {
    # preprocessing
    "resized_without_antialias": ("no antialias",),
    "centre_crop_instead_of_squash": ("crop",),
    "photographs_read_as_bgr": ("bgr",),
    "normalised_like_imagenet": ("imagenet",),
    "not_normalised": ("unit",),
    # weights
    "queries_and_keys_swapped": ("block 3 queries and keys swapped",),
    "joint_projection_split_by_heads": ("block 3 joint projection by heads",),
    "one_head_permuted": ("encoder.block4.attention.out.weight",),
    "one_stale_bias": ("encoder.block2.contract.bias",),
    "one_stale_matrix": ("encoder.block1.expand.weight",),
    "random_stand_in": ("encoder.block5.attention.out.weight",),
    "every_tensor_of_another_checkpoint": ("another checkpoint",),
    "one_block_missing": ("block 3 missing",),
    "one_block_repeated": ("block 2 repeated",),
    "biases_dropped": ("block 4 expanding bias missing", "encoder.block4.expand.bias"),
    "norm_gain_missing": ("block 2 attention norm gain missing", "encoder.block2.attention.even.weight"),
    "weights_kept_in_bfloat16": ("bf16 weights",),
    "colours_swapped": ("bgr",),
    "convolution_kernel_transposed": ("kernel transposed",),
    "imagenet_mean_and_std": ("imagenet",),
    "pixels_from_0_to_1": ("pe twice",),
    "position_of_class_token_missing": ("class token without position", "class_position"),
    "class_token_without_its_embedding": ("no class token value", "class_position"),
    "positions_transposed": ("positions transposed",),
    "positions_by_nearest_neighbour": ("positions by nearest",),
    "positions_by_bilinear_interpolation": ("positions by bilinear, corners aligned",),
    "probe_of_another_checkpoint": ("encoder.pool.score.weight",),
    "one_pooling_head_lost": ("pool head 7 missing",),
    "projection_transposed": ("projection transposed",),
    # rewrite
    "rope_axes_swapped": ("rope axes swapped",),
    "rope_from_zero": ("rope from 0",),
    "class_token_rotated": ("class token rotated",),
    "rope_of_another_base": ("rope of base 100",),
    "rope_on_halves_instead_of_pairs": ("rope on halves",),
    "attention_scale_missing": ("attention scale missing",),
    "attention_scale_doubled": ("attention scale twice",),
    "tanh_gelu": ("gelu by tanh",),
    "polynomial_of_tanh_gelu": ("gelu by tanh",),
    "sigmoid_gelu": ("gelu by sigmoid",),
    "layer_norm_epsilon_1e_6": ("layer norm epsilon 1e-06",),
    "final_norm_missing": ("final norm missing",),
    "class_token_instead_of_pooling": ("class token instead of pool",),
    "mean_instead_of_pooling": ("mean instead of pool",),
    "pooling_without_its_residual": ("pool without residual",),
    "normalised_output": ("normalised output",),
    "constant_output": ("constant",),
    "overflow_in_one_layer": ("float16 overflow",),
    "spatial_tokens_transposed": ("transposed tokens",),
    # graph
    "channels_last_read_as_channels_first": ("channels last",),
    "float16_output": ("float16 output",),
    "one_call_late": ("one call late",),
    "class_token_dropped_from_spatial_output": ("class token dropped",),
    "one_channels_scale_doubled": ("encoder.block2.contract.weight.scale",),
    "one_scale_for_all_channels": ("encoder.block3.expand.weight.scale",),
    "signs_of_one_layer_lost": ("encoder.block4.attention.value.weight",),
    "halves_of_an_int8_layer_exchanged": ("encoder.block1.attention.even.weight",),
    # exporter
    "float16_instead_of_float32": ("label fp16",),
    "four_bits_instead_of_eight": ("label int4",),
    "not_quantised": ("label fp32",),
    "not_compressed": ("label fp16",),
    "training_mode": ("encoder.block5.contract.weight",),
    # file
    "onnx_gelu_made_approximate": ("gelu 0 by tanh",),
    "onnx_initializers_exchanged": ("encoder.block1.attention.value.weight",),
    "onnx_residual_bypassed": ("block 2 MLP missing",),
    "onnx_one_exponent_bit_flipped": ("encoder.block5.contract.weight",),
    "mil_gelu_made_approximate": ("gelu 2 by tanh",),
    "mil_weights_exchanged": ("encoder.block1.attention.out.weight",),
    # Every angle becomes its complement, and every difference of two its negative: the same function.
    "mil_cosines_and_sines_exchanged": ("rope turned back", "encoder.block0.attention.rope.cos"),
    "pte_a_page_of_zeros": ("encoder.block1.expand.weight",),
    "pte_one_int8_scale_doubled": ("encoder.block3.contract.weight.scale",),
    "pte_int8_weights_shifted_by_a_byte": ("encoder.block5.attention.out.weight",),
    # text
    "text_mask_missing": ("mask missing",),
    "text_mask_transposed": ("mask transposed",),
    "text_attention_scale_missing": ("attention scale missing",),
    "text_pooled_at_the_last_position": ("pooled at the last position",),
    "text_pooled_before_the_end": ("pooled before the end",),
    "text_features_normalised": ("normalised output",),
    "text_positions_off_by_one": ("positions one late", "positions"),
    "text_embedding_of_another_checkpoint": ("embedding.weight",),
    "text_ids_off_by_one": ("ids one low", "embedding.weight"),
    "text_projection_transposed": ("projection transposed", "encoder.projection.weight"),
    "text_gelu_by_sigmoid": ("gelu by sigmoid",),
    "text_ids_kept_in_16_bits": ("constant",),  # the first id is the largest, too, and every text ends there
    "text_one_stale_bias": ("encoder.block1.contract.bias",),
}
"""The names of which a diagnosis must have one; faults without a hypothesis are not here."""

NO_NAMES: Final = "the file names none of its tensors, or holds no values that are the graph's"
QUIET: Final[dict[tuple[str, str], str]] = {
    **{("every_tensor_of_another_checkpoint", f"pte/{precision}"): NO_NAMES for precision in ("fp32", "fp16", "int8")},
    ("one_channels_scale_doubled", "mlpackage/int8"): NO_NAMES,
    ("one_scale_for_all_channels", "mlpackage/int8"): NO_NAMES,
}
"""Where a fault has no hypothesis that could be seen, by fault and kind."""


TENSOR: Final = re.compile(r"positions|class_position|(\w+\.)+\w+")
"""The name of a tensor of a lowered graph."""


@dataclass(frozen=True)
class Said:
    """The names that were given to one fault, or to two that were planted together."""

    faults: tuple[str, ...]
    case: str
    names: tuple[str, ...]
    sentence: str

    @property
    def expected(self) -> tuple[tuple[str, ...], ...]:
        """The names of each fault that has a hypothesis."""
        kind = self.case.partition("/")[2]
        return tuple(NAMES[f] for f in self.faults if f in NAMES and (f, kind) not in QUIET)

    @property
    def could(self) -> bool:
        """Whether each fault has a hypothesis."""
        return len(self.expected) == len(self.faults)

    @property
    def right(self) -> bool:
        """Whether every fault that has a hypothesis was named."""
        return all(set(names) & set(self.names) for names in self.expected)

    @property
    def wrong(self) -> bool:
        """Whether something else was named, and nothing that is there.

        That a file stores other values in a tensor is a fact, wherever a fault is that changes tensors.
        """
        known = {name for fault in self.faults for name in NAMES.get(fault, ())}
        import_catalogue()  # where tests are only reported, nothing else has
        changed = any(FAULTS[fault].level not in SHARED for fault in self.faults)
        named = {name for name in self.names if not (changed and TENSOR.fullmatch(name))}
        return bool(named) and not known & set(self.names)


def share_right(said: Sequence[Said]) -> float:
    """How many of the single faults that have a hypothesis are named; all, where there are none."""
    could = [each.right for each in said if each.could and len(each.faults) == 1]
    return sum(could) / len(could) if could else 1.0


def score(said: Sequence[Said]) -> str:
    """The score in one line."""
    one, two = ([each.right for each in said if each.could and len(each.faults) == count] for count in (1, 2))
    return (
        f"{len(said)} diagnoses: of faults with a hypothesis {sum(one)} of {len(one)} are named "
        f"({share_right(said):.1%}; {WANTED:.0%} are wanted), of pairs {sum(two)} of {len(two)}; "
        f"{sum(each.wrong for each in said)} are wrong, and none may be"
    )


def to_markdown(said: Sequence[Said], command: str) -> str:
    """The page in ``docs/``."""
    lines = [
        "# Diagnoses",
        "",
        "What is said of planted faults, each in the graph that is lowered, by itself and two at a time. Made by",
        f"`{command}`.",
        "",
        f"{score(said)}.",
        "",
        "Of two mistakes that both change everything and both sit inside the model, neither can be found by itself;",
        "such pairs are missed, and nothing is said of them.",
        "",
    ]
    for title, count in (("One fault", 1), ("Two faults", 2)):
        lines += [f"## {title}", "", "| fault | case | diagnosis |", "| --- | --- | --- |"]
        for each in sorted(said, key=lambda each: ([*map(list(FAULTS).index, each.faults)], each.case)):
            if len(each.faults) == count:
                named = " and ".join(fault.replace("_", " ") for fault in each.faults)
                mark = " **wrong**" if each.wrong else "" if each.right else " (missed)"
                if not each.expected:
                    mark = mark or " (no hypothesis)"
                lines.append(f"| {named} | {each.case} | {each.sentence}{mark} |")
        lines += [""]
    return "\n".join(lines)
