"""Goldens (stored outputs), seals of the files that verdicts depend on, and bundles for a phone."""
