"""Proofs: what is claimed of a component holds for every input, in every state that it can reach."""
