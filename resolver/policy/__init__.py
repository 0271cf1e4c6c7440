"""Policy: what operators and streams want, compiled; the verdict on each query. Pure, no I/O, no clock."""
