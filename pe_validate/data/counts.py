"""Types of counts that are read from stored files, with bounds that reject implausible numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""A count, of bytes for example; arithmetic on anything larger than 64 bits signed would overflow elsewhere."""

Positive = Annotated[int, Field(gt=0, le=2**63 - 1)]
"""A count of something that is only listed when there is at least one."""
