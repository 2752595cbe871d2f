"""What an operator says to fronts, by the bus: `drain`, `connections`, `kick`, `revoke`."""
