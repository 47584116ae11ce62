"""What features are used for: search and classification."""
