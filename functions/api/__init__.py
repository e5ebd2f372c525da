"""Serves what was computed before: insights by tier over HTTP, and a page a person can read."""
