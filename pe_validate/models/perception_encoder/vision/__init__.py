"""The vision towers: their hyper-parameters, their mathematics, and their rewrite for exporters."""
