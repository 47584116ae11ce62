"""Toolchains: which versions go together, environments that have them, and what changes from one to another."""
