"""Training: the one loop, recipe, budget, guard, run folder, checkpoint, progress."""
