"""ExecuTorch programs on emulated iPhone-class cores: which kernels run there, and what they cost."""
