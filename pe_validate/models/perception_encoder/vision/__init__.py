"""The vision towers: their hyper-parameters, their mathematics, and the rewrite that exporters like."""
