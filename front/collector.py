"""Python's collector of cycles, told what a front is like.

Connections are many objects that live long and form no cycles when they are gone; looking at all of them again and
again is what would make everybody wait.
"""

import gc

THRESHOLDS = (50_000, 20, 100)
"""Objects made but not freed before the youngest are looked at, and how often that before older ones are."""


def settle() -> None:
    """Set what there is at the start aside for good, and look at the rest rarely. For the whole process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
