"""The text towers of Perception Encoders."""
