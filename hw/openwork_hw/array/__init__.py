"""The array itself, from nonzeros to activations: row buffer, feeder, element, chain."""
