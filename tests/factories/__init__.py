"""Ready-made things for tests, written straight into the tables: quick, and with nothing to wait for."""
