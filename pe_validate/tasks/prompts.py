"""Prompts: labels in templates."""

from __future__ import annotations

from typing import Final

GAP: Final = "{}"
"""Where a label goes in a template."""

TEMPLATE: Final = "a photo of a {}."


def prompt(template: str, label: str) -> str:
    """Return a template with a label in its place."""
    return template.replace(GAP, label)
