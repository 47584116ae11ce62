"""The network as a model under test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.tensors import INPUT_NAME, OUTPUT_NAME, TensorSpec
from pe_validate.inputs.feed import ImageFeed
from pe_validate.models.base import Model
from pe_validate.tasks.answer import ONE_EMBEDDING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pe_validate.models.weights import Weights


class TinyModel(Model):
    """Everything that is not said here is as the base has it: it is deployed as it is, and names no places."""

    name = "Example-Tiny"
    inputs = (TensorSpec(INPUT_NAME, (1, 3, 32, 32), "float32"),)
    outputs = (TensorSpec(OUTPUT_NAME, (1, 24), "float32"),)
    feed = ImageFeed(32)
    answer = ONE_EMBEDDING
    modules = ("example_targets.network", "example_targets.model")
    licence = "CC0-1.0"

    def load_weights(self, spec: str) -> Weights:
        """Read ``seed:N``, ``file:PATH`` or ``hf:REPO``."""
        from example_targets.network import Network
        from pe_validate.models.weights import Sources, read_weights

        return read_weights(spec, Sources(self.name, Network().state_dict(), _seeded))

    def load(self, weights: Weights) -> nn.Module:
        """Return the network."""
        from example_targets.network import Network

        network = Network()
        network.load_state_dict(weights.tensors)
        return network.eval().requires_grad_(False)


def _seeded(seed: int, family: str) -> dict[str, Tensor]:
    import torch

    from example_targets.network import Network

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return {name: tensor.clone() for name, tensor in Network().state_dict().items()}


TINY: Final = TinyModel()
