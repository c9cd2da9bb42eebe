"""Watchbill's agent: runs signed work on one device and keeps the results until the Engine has them."""

__version__ = "0.1.0"
