"""Verdicts → terminal, JSON, JUnit, Markdown and HTML."""
