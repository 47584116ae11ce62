"""The models that are deployed: towers, their weights, and their rewrites for exporters."""
