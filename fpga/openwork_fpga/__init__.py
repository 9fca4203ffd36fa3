"""Synthesis, place and route with open tools, and the record of what they gave."""
