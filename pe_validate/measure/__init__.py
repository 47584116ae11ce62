"""What is measured and not judged: latency, memory, rounded sums; and the budgets."""
