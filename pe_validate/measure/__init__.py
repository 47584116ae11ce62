"""Measurements (latency, memory, rounded sums), and budgets for them."""
