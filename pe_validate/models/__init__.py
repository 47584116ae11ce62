"""What is being deployed: the towers, their weights, and the rewrite that exporters like."""
