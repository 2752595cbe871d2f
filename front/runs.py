"""What belongs together of what the bus brought at once."""

from collections.abc import Iterable, Iterator

from broker.bus import News
from broker.messages import Commit


def runs(messages: Iterable[News]) -> Iterator[list[News]]:
    """Split messages, in order, into runs: commits that follow each other and change nothing but one same store.

    Any other message is a run of its own. A busy store's updates of one tick are thus taken to its holders in one pass.
    """
    run: list[News] = []
    key: str | None = None
    for message in messages:
        store = message.updates[0].key if isinstance(message, Commit) and len(message.updates) == 1 else None
        if run and (store is None or store != key):
            yield run
            run = []
        run.append(message)
        key = store
    if run:
        yield run
