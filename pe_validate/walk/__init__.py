"""The walk from a case to its result."""
