"""HTML pages and model cards out of run folders; nothing is computed again, nothing is trained."""
