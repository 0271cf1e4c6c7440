"""Listeners on loopback."""
