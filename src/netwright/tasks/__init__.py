"""Tasks: one file each, holding one public `task`; `base.py` says what a task is."""
