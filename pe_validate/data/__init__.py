"""Plain data that every room shares: frozen dataclasses of the standard library, numpy and pydantic."""
