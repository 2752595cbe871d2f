"""What fronts ask beside actions: which key, may he read it, how does it stand, what is newer.

Questions that wait are answered together, and one key is rendered once for all who ask: a question joins only a
render that begins after it arrived, so "subscribed" can promise the next commit: the front has registered that it
holds the store before it asked.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence

from broker.bus import MultiplexerBus
from broker.errors import BusLost
from broker.messages import Denied, Error, Fetch, FrontMessage, Held, MultiplexerMessage, Open, Opened, Renew, Renewed

from .documents import Documents
from .engine import Rendered
from .holders import Holders
from .metrics import Metrics
from .reader import Reader
from .renderer import fit, snapshot

log = logging.getLogger("multiplexer.questions")

TOGETHER = 200
"""Most questions answered in one go."""
VERDICT_TTL_MS = 5_000
"""How long a front may go by a permission, in milliseconds."""

UNKNOWN = ("?",)
"""Fronts of a store of which it is not known who holds it: none that asks."""

Answers = dict[str, list[MultiplexerMessage]]


class Questions:
    """Questions of fronts, waiting or being answered.

    Args:
        reader: Where stores are opened, compared and rendered.
        holders: Who holds what; hears which stores fronts name.
        documents: What fronts hold; learns from the answers.
        bus: Where the answers go.
        term: The term led, named to fronts.
        metrics: Learns what is asked.

    """

    def __init__(
        self,
        *,
        reader: Reader,
        holders: Holders,
        documents: Documents,
        bus: MultiplexerBus,
        term: int,
        metrics: Metrics,
    ) -> None:
        self._reader = reader
        self._holders = holders
        self._documents = documents
        self._bus = bus
        self._term = term
        self._metrics = metrics
        self._waiting: asyncio.Queue[tuple[str, Open | Fetch | Renew]] = asyncio.Queue()

    def add(self, front: str, messages: Sequence[FrontMessage]) -> None:
        """Take the questions out of a front's messages."""
        for message in messages:
            if isinstance(message, Open | Fetch | Renew):
                self._metrics.questions[type(message).__name__.lower()] += 1
                self._waiting.put_nowait((front, message))

    async def answer_all(self) -> None:
        """Answer questions for ever.

        Raises:
            DatabaseLost: The fronts ask again.

        """
        while True:
            asked = [await self._waiting.get()]
            while not self._waiting.empty() and len(asked) < TOGETHER:
                asked.append(self._waiting.get_nowait())
            answers: Answers = defaultdict(list)
            await self._open([(front, question) for front, question in asked if isinstance(question, Open)], answers)
            await self._fetch(
                [(front, question.key) for front, question in asked if isinstance(question, Fetch)], answers
            )
            for front, question in asked:
                if isinstance(question, Renew):
                    await self._renew(front, question, answers)
            try:
                await self._bus.send(answers)
            except BusLost as error:
                log.warning("the bus is lost, fronts ask again: %s", error)

    async def _open(self, asked: Sequence[tuple[str, Open]], answers: Answers) -> None:
        if not asked:
            return
        resolved = await self._reader.open([question for _, question in asked])
        for (front, question), answer in zip(asked, resolved, strict=True):
            if answer is None:
                # The front asks again.
                continue
            if answer.key is None:
                error = Error(answer.code or "failed", answer.message or "")
                answers[front].append(Denied(question.request, error))
            else:
                answers[front].append(Opened(question.request, answer.key, answer.shared, VERDICT_TTL_MS))

    async def _fetch(self, asked: Sequence[tuple[str, str]], answers: Answers) -> None:
        askers: dict[str, set[str]] = defaultdict(set)
        for front, key in asked:
            askers[key].add(front)
        self._holders.named(askers)
        # Before they are rendered: who comes to hold one later asks for it himself.
        holders = await self._fronts(list(askers)) if askers else {}
        for rendered in await self._reader.render(list(askers)):
            one = fit(rendered)
            if one is None:
                # Not just now: the fronts ask again.
                continue
            if isinstance(one, Rendered):
                self._documents.fetched(one, by_all=askers[one.key].issuperset(holders.get(one.key, UNKNOWN)))
            answer = snapshot(one) if isinstance(one, Rendered) else one
            for front in askers[one.key]:
                answers[front].append(answer)

    async def _fronts(self, keys: Sequence[str]) -> dict[str, list[str]]:
        """Find which fronts hold stores, as far as the bus tells."""
        try:
            return await self._holders.fronts(keys)
        except BusLost as error:
            log.warning("the bus is lost: %s", error)
            return {}

    async def _renew(self, front: str, renewal: Renew, answers: Answers) -> None:
        keys = [held.key for held in renewal.held]
        self._holders.named(keys)
        epoch, versions = await self._reader.versions(keys)
        newer = [
            Held(held.key, epoch, versions[held.key])
            for held in renewal.held
            if held.epoch != epoch or held.version < versions[held.key]
        ]
        answers[front].append(Renewed(self._term, newer))
