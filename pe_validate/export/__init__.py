"""Module → Artifact: the exporters, and the cache that holds what they made."""
