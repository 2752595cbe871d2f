"""From a store's name and parameters to its key: questions under way, and verdicts good for a while.

Only the database can make a key and say who may read, so a front asks (:class:`broker.messages.Open`). A
question is asked once however many clients wait for the answer, and the answer is kept for as long as it says.
"""

from dataclasses import dataclass

from broker.messages import Denied, Open, Opened

from .clients import Subscription
from .gates import Identity

PATIENCE = 5.0
"""A question without an answer is asked again after so many seconds."""

MOST_VERDICTS = 20_000
"""Verdicts kept at most; the oldest goes first."""

# Claims None: the verdict holds for everybody.
Question = tuple[str, str, str | None]


@dataclass(slots=True)
class _Asked:
    question: Question
    message: Open
    waiting: list[Subscription]
    asked_at: float


class Openings:
    """Questions and verdicts of one front."""

    __slots__ = ("_asked", "_numbers", "_requests", "_verdicts")

    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = {}
        self._numbers: dict[Question, int] = {}
        self._requests = 0
        self._verdicts: dict[Question, tuple[str, float]] = {}  # key, good until

    def known(self, name: str, params: str, identity: Identity, now: float) -> str | None:
        """The key of a store that this identity may read, if a verdict still says so."""
        for question in (name, params, None), (name, params, identity.claims):
            verdict = self._verdicts.get(question)
            if verdict is not None:
                key, until = verdict
                if now < until:
                    return key
                del self._verdicts[question]
        return None

    def ask(self, name: str, params: str, subscription: Subscription, now: float) -> Open | None:
        """Let a subscription wait for a verdict; the question to be asked, unless it is under way."""
        identity = subscription.client.identity
        question = (name, params, identity.claims)
        number = self._numbers.get(question)
        if number is not None:
            self._asked[number].waiting.append(subscription)
            return None
        self._requests += 1
        message = Open(self._requests, name, params, identity.actor, identity.claims)
        self._asked[self._requests] = _Asked(question, message, [subscription], now)
        self._numbers[question] = self._requests
        return message

    def opened(self, message: Opened, now: float) -> list[Subscription]:
        """Take a good verdict; who waited for it."""
        asked = self._asked.pop(message.request, None)
        if asked is None:
            return []
        del self._numbers[asked.question]
        name, params, claims = asked.question
        if message.ttl_ms > 0:
            self._verdicts[name, params, None if message.shared else claims] = (
                message.key,
                now + message.ttl_ms / 1000,
            )
            if len(self._verdicts) > MOST_VERDICTS:
                del self._verdicts[next(iter(self._verdicts))]
        return asked.waiting

    def denied(self, message: Denied) -> list[Subscription]:
        """Take a bad verdict; who waited for it. It is not kept: rights just given count at the next try."""
        asked = self._asked.pop(message.request, None)
        if asked is None:
            return []
        del self._numbers[asked.question]
        return asked.waiting

    def again(self, now: float, *, patience: float = PATIENCE) -> list[Open]:
        """Questions asked ``patience`` seconds ago or longer that somebody still waits for, to be asked again."""
        due: list[Open] = []
        for number, asked in list(self._asked.items()):
            if now - asked.asked_at < patience:
                continue
            asked.waiting = [s for s in asked.waiting if s.client.subscriptions.get(s.id) is s]
            if asked.waiting:
                asked.asked_at = now
                due.append(asked.message)
            else:
                del self._asked[number], self._numbers[asked.question]
        return due
