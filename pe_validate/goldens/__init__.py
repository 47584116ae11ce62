"""Stored answers, the seals of what verdicts rest on, and what a phone is given."""
