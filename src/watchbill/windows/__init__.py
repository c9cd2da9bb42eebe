"""Maintenance windows and blackouts: when work may start, on what, and what becomes of what may not."""
