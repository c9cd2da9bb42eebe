"""Onboarding: the machines of a network found, entered and given an agent, with a row for every address that says how it ended."""
