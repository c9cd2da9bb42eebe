"""Workflows at work: what launches them, and what their nodes do."""
