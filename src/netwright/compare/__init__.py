"""The contest: candidates, equal budgets, seeds, paired intervals, frontier, the verdict in words."""
