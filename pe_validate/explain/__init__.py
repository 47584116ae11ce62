"""Find where an artifact starts to differ from its reference, by comparing intermediate values place by place."""
