"""Benchmarks: `python -m tests.bench` prints tables and writes RESULTS.md. They assert nothing; ratios within one run are what counts."""
