"""Numerical schemes that several targets share; see :class:`~pe_validate.data.recipe.Scheme`."""

from __future__ import annotations

from typing import Any, Final

from pe_validate.data.recipe import Images, Scheme


def round_constants(module: Any, images: Images = ()) -> Any:
    """Round the weights and tables of a module to float16 in place; they stay float32 tensors."""
    import torch

    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.copy_(tensor.half())
    return module


ROUNDED: Final = Scheme("rounded", round_constants)
"""Weights are rounded to float16 in float32 tensors; the exporter narrows the type."""
