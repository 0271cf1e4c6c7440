"""Tests of resolver.policy."""
