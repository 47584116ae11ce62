"""Render reports for a terminal, and as JSON, JUnit XML, Markdown and HTML."""
