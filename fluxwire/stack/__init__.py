"""The embedded stack: Postgres and Valkey from wheels, the engine's processes, and their supervisor."""
