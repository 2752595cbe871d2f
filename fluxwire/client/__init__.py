"""A client in Python: the same promises, numbers and frames as the TypeScript one (docs/protocol.md)."""

from .client import Client, Dispatched, Refused, Stopped, return_time

__all__ = ["Client", "Dispatched", "Refused", "Stopped", "return_time"]
