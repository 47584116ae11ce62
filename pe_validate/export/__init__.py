"""Module → Artifact: the exporters, and the cache that holds what they made."""

from pe_validate.export.artifact import Artifact
from pe_validate.export.cache import export

__all__ = ["Artifact", "export"]
