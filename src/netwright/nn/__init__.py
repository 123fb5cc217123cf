"""Components, each usable alone: attention, convolution, recurrence, norms, stems, heads, optimizers."""
