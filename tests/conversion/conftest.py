"""This suite is the product's own proof: what it was asked for and did not judge makes it red."""

from __future__ import annotations

from typing import Final

import pytest

from pe_validate.case import Case
from pe_validate.inputs.feed import ImageFeed
from pe_validate.models.perception_encoder.text.feed import TextFeed
from pe_validate.models.registry import model_named

FEEDS: Final = {"images": ImageFeed, "texts": TextFeed}
"""The markers of tests that are only of models with such inputs."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.option.pe_require = True
    for marker in FEEDS:
        config.addinivalue_line("markers", f"{marker}: only of models that take {marker}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    others = [item for item in items if _is_of_others(item)]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)


def _is_of_others(item: pytest.Item) -> bool:
    wanted = [feed for marker, feed in FEEDS.items() if item.get_closest_marker(marker)]
    if not wanted or not isinstance(item, pytest.Function):
        return False
    case = item.callspec.params["pe_case"]
    assert isinstance(case, Case)
    return not isinstance(model_named(case.model).feed, tuple(wanted))
