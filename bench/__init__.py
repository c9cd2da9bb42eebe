"""Everything that performance is claimed on, each runnable alone: `.venv/bin/python bench/NAME.py`."""
