"""Where an artifact leaves its reference: intermediate values of both, compared place by place."""
