"""Components, each usable alone: attention, convolution, recurrence, stems, heads, optimizers."""
