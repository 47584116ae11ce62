"""What project and schemes have in common: ids, product types, and how values are written."""

from __future__ import annotations

import hashlib
from typing import Any, Final

Spec = dict[str, Any]

PRODUCTS: Final = {
    "framework": ("com.apple.product-type.framework", "wrapper.framework", "framework"),
    "application": ("com.apple.product-type.application", "wrapper.application", "app"),
    "bundle.unit-test": ("com.apple.product-type.bundle.unit-test", "wrapper.cfbundle", "xctest"),
}
"""Product type, file type and suffix, by the type of a target."""


def identity(isa: str, key: str) -> str:
    """Id of an object: the same one every time."""
    return hashlib.sha256(f"{isa}/{key}".encode()).hexdigest()[:24].upper()


def setting(value: object) -> str:
    """A value as Xcode writes it; YAML reads YES and NO as booleans."""
    return ("NO", "YES")[value] if isinstance(value, bool) else str(value)


def product(spec: Spec, target: str) -> str:
    """File name of what a target builds."""
    return f"{target}.{PRODUCTS[spec['targets'][target]['type']][2]}"


def upgraded(spec: Spec) -> str:
    """``16.0`` → ``1600``."""
    major, minor = spec["options"]["xcodeVersion"].split(".")
    return f"{int(major):02}{minor}0"
