"""Figures as rows of sufficient statistics, and the named reducers that make numbers of them."""
