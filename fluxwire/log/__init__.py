"""The action log, and what it is good for: to look back, to rebuild, to rehearse (docs/replay.md).

``logged`` and ``archive`` read it, from a database, a file, a folder or a bucket; ``target`` runs it again, ``replay``
into a database of one's own and ``scratch`` into one for a moment; ``verify``, ``rehearse``, ``at`` and ``blame`` ask
such a one. ``baseline`` is where a replay begins when the log no longer does.
"""
