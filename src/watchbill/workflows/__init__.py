"""Workflows: graphs of work. Judges what they name, carries their runs on from step to step, and tells how they stand."""
