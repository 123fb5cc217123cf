"""Data sets: one file each, holding one public `dataset`; `base.py` says what one is."""
