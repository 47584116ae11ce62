"""Rewrites of captured programs are exact, are proved on the spot, and are left out where they cannot be."""

from __future__ import annotations

import pytest
import torch
from own_models import encoder
from torch import fx, nn

from pe_validate.data.recipe import FUSED, HALF, LINEAR
from pe_validate.models.own import rewrites
from pe_validate.models.own.program import Flat, captured, module_of
from pe_validate.models.own.rewrites import rewritten

IMAGE = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def program() -> fx.GraphModule:
    return module_of(captured("mine", Flat(encoder(), (), ("feature",)), (IMAGE,)))


def operators(module: fx.GraphModule) -> set[str]:
    return {str(node.target) for node in module.graph.nodes if node.op == "call_function"}


@pytest.mark.parametrize("form", [FUSED, LINEAR, HALF])
def test_every_form_computes_the_same(program: fx.GraphModule, form: str) -> None:
    image = torch.randn(IMAGE.shape, generator=torch.Generator().manual_seed(1))
    found, expected = rewritten(program, form, (IMAGE,))(image), program(image)
    assert (found - expected).abs().max() < 1e-6 * expected.abs().max()


def test_batch_normalisation_is_folded_in_every_form(program: fx.GraphModule) -> None:
    assert "aten.batch_norm.default" in operators(program)
    for form in (FUSED, LINEAR, HALF):
        assert "aten.batch_norm.default" not in operators(rewritten(program, form, (IMAGE,)))


def test_layer_norm_and_attention_are_taken_apart_for_xnnpack_alone(program: fx.GraphModule) -> None:
    parts = {"aten.layer_norm.default", "aten.scaled_dot_product_attention.default"}
    assert parts <= operators(rewritten(program, FUSED, (IMAGE,)))
    assert not parts & operators(rewritten(program, LINEAR, (IMAGE,)))


def test_a_rewrite_that_changes_the_ninth_digit_is_not_kept(
    program: fx.GraphModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(module: fx.GraphModule, form: str) -> None:
        for name, tensor in module.named_parameters():
            if name.endswith("head.weight"):
                tensor.mul_(1 + 1e-8)

    monkeypatch.setattr(rewrites, "REWRITES", (wrong,))
    kept = rewritten(program, FUSED, (IMAGE,)).state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in program.state_dict().items())


def test_a_program_that_insists_on_float32_is_left_as_it_is() -> None:
    class Cast(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.float().relu()

    program = module_of(captured("mine", Cast(), (IMAGE,)))
    assert operators(rewritten(program, LINEAR, (IMAGE,))) == operators(program)
