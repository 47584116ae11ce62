"""Hypothesis profiles and nothing else; the fixtures come from the pe_validate plugin."""

import os

from hypothesis import settings

# No deadline anywhere: one example is a model's inference, and shared machines stall.
settings.register_profile("dev", max_examples=5, deadline=None, print_blob=True)
settings.register_profile("ci", max_examples=8, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", max_examples=100, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))
