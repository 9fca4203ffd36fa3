"""Weight words in, nonzeros out."""
