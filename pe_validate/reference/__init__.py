"""What artifacts are held to: a loaded model and its answers."""
