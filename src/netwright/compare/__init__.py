"""The contest: candidates, equal budgets, seeds, paired intervals, frontier, verdict in words."""
