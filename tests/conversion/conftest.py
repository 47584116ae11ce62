"""This suite is the product's own proof: what it was asked for and did not judge makes it red."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.option.pe_require = True
