"""ExecuTorch programs, lowered to Core ML."""
