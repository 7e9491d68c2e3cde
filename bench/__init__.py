"""Benchmarks: each module here returns rows (comparison, seconds ours, seconds peer), measured side by side."""
