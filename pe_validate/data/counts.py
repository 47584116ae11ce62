"""Whole numbers as a stored file may claim them: none that nobody counted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""Of bytes, say; larger ones do not fit into what is computed with them."""

Positive = Annotated[int, Field(gt=0, le=2**63 - 1)]
"""Of something that is only listed where there is some."""
