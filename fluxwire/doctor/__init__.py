"""Looks at everything that fronts and multiplexers need, and says in plain words what is not as it should be."""
