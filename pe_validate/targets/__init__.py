"""What a model is converted to: each target writes, opens and reads its own files."""
