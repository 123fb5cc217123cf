"""Floors: what a network must beat; one file each, holding one public `floor`."""
