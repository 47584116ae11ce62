"""Tasks that features are used for: search and classification."""
