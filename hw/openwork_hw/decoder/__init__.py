"""Weight decoders: they turn the words of a weight stream into nonzeros."""
