"""Meta's Perception Encoders."""
