"""Tests of streams, a file for each module."""
