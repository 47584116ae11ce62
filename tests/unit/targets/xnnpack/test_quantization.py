"""Layers that a format cannot hold are refused by name."""

from __future__ import annotations

import pytest
from torch import nn

from pe_validate.system.errors import ExportError
from pe_validate.targets.xnnpack.quantization import quantize_weights


def test_a_layer_that_groups_do_not_divide_is_refused_by_name() -> None:
    module = nn.Sequential(nn.Linear(64, 24), nn.Linear(24, 8))
    with pytest.raises(ExportError, match="layer '1' has 24 inputs: quantise it to int8"):
        quantize_weights(module, 4)
