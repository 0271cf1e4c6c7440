"""Tests of the detectors, a file for each."""
