"""Structures: one file each, holding one public `structure`; `base.py` says what one is."""
