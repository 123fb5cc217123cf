"""What a network costs: measured (latency, memory, energy) and predicted (seconds, fits or not)."""
