"""From nonzeros to activations: row buffer, feeder, element, chain."""
