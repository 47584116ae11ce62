"""Inputs of models: photographs, structured images, and Hypothesis strategies for both."""
