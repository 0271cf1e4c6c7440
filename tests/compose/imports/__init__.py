"""Readers of other people's traffic, fed with bytes made here, by real programs, and by real captures."""
