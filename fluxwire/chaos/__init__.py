"""`fluxwire chaos`: a whole stack under faults, and a judge of its history (docs/reliability.md).

``cluster`` starts the processes with a ``link`` between any two that talk; ``load`` writes and subscribes; ``faults``
kill, pause, cut and stall; all of them write the ``history`` that ``judge`` reads. The last knows no process, no
socket and no clock.
"""
