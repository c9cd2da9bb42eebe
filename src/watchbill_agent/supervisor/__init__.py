"""Holds the supervisor program. It is run by path, never imported by the agent."""
