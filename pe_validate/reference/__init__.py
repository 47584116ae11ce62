"""References: a loaded model and its outputs, with which artifacts are compared."""
