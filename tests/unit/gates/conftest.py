"""The model that gates are asked about."""

from __future__ import annotations

import pytest

from pe_validate.reference.reference import Reference, reference


@pytest.fixture(scope="session")
def model() -> Reference:
    return reference("PE-Nano")
