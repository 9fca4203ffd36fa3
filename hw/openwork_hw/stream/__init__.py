"""Stream parts that know nothing of weights."""
