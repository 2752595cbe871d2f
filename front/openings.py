"""From a store's name and parameters to its key: questions under way, and verdicts good for a while.

Only the database can make a key and say who may read, so a front asks (:class:`broker.messages.Open`). A
question is asked once however many clients wait for the answer, and the answer is kept for as long as it says.
Who wants what another identity is asking for waits for that answer first: shared stores are the rule, and then
one verdict serves a whole crowd that comes back.
"""

from dataclasses import dataclass, field

import msgspec
import orjson

from broker.messages import Denied, Open, Opened

from .clients import Subscription
from .gates import Identity

PATIENCE = 5.0
"""A question without an answer is asked again after so many seconds."""

MOST_VERDICTS = 20_000
"""Verdicts kept at most; the oldest goes first."""

Question = tuple[str, str, str | None]
"""Name, parameters as written, claims; no claims when the answer holds for everybody."""


def asked_for(key: str) -> tuple[str, str]:
    """What a store key answers: the store's name, and its parameters as JSON text."""
    start = key.index("{")
    params = orjson.loads(key[start:])
    # A private store's actor is not for a client to name; the database puts it in again.
    params.pop("@actor", None)
    return key[:start], orjson.dumps(params).decode()


@dataclass(slots=True)
class _Asked:
    message: Open
    asked_at: float
    waiting: list[Subscription]
    others: list[Subscription] = field(default_factory=list)
    """Of other identities; served if the verdict is for everybody."""

    def forget_the_gone(self) -> None:
        self.waiting = [subscription for subscription in self.waiting if subscription.wanted]
        self.others = [subscription for subscription in self.others if subscription.wanted]


@dataclass(frozen=True, slots=True)
class Answered:
    """What follows from a verdict."""

    subscriptions: list[Subscription]
    """Those it holds for."""
    questions: list[Open]
    """To be asked now, for those it does not hold for."""


class Openings:
    """Questions and verdicts of one front."""

    __slots__ = ("_asked", "_numbers", "_private", "_requests", "_verdicts")

    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = {}
        self._numbers: dict[Question, int] = {}  # without claims: the question that others may join
        self._private: set[str] = set()  # names of stores whose verdicts are each actor's own
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

    def public(self, name: str, params: str) -> bool:
        """Whether what was asked for so is known to be for everybody."""
        return (name, params, None) in self._verdicts

    def restricted(self) -> list[str]:
        """Names of stores that not everybody may read who is let in."""
        return list(self._private)

    def doubt(self, name: str, now: float) -> list[Open]:
        """Forget who may read a store.

        Args:
            name: A store key, or a store's name alone for all its keys.
            now: The time, in seconds.

        Returns:
            Questions to be asked anew: an answer to one that is under way may be older than the doubt.

        """
        for question, (key, _) in list(self._verdicts.items()):
            if key == name or key.startswith(name + "{"):
                del self._verdicts[question]
        store, anew = name.partition("{")[0], []
        for number, asked in list(self._asked.items()):
            if asked.message.name != store:
                continue
            del self._asked[number]
            self._requests += 1
            asked.message, asked.asked_at = msgspec.structs.replace(asked.message, request=self._requests), now
            self._asked[self._requests] = asked
            for question in [question for question, one in self._numbers.items() if one == number]:
                self._numbers[question] = self._requests
            anew.append(asked.message)
        return anew

    def each_for_himself(self, key: str) -> bool:
        """Whether a verdict on a store, by its key, holds for one identity alone."""
        return key.partition("{")[0] in self._private

    def ask(self, name: str, params: str, subscription: Subscription, now: float) -> Open | None:
        """Let a subscription wait for a verdict; the question to be asked, unless it is under way."""
        first = self._numbers.get((name, params, None))
        if first is not None and (name, params, subscription.client.identity.claims) not in self._numbers:
            self._asked[first].others.append(subscription)
            return None
        return self._ask(name, params, subscription, now)

    def opened(self, message: Opened, now: float) -> Answered:
        """Take a good verdict."""
        asked = self._forget(message.request)
        if asked is None:
            return Answered([], [])
        question = asked.message
        if message.shared:
            self._private.discard(question.name)
        else:
            self._private.add(question.name)
        if message.ttl_ms > 0:
            claims = None if message.shared else question.claims
            self._verdicts[question.name, question.params, claims] = (message.key, now + message.ttl_ms / 1000)
            if len(self._verdicts) > MOST_VERDICTS:
                del self._verdicts[next(iter(self._verdicts))]
        if message.shared:
            return Answered(asked.waiting + asked.others, [])
        return Answered(asked.waiting, self._ask_for_others(asked, now))

    def denied(self, message: Denied, now: float) -> Answered:
        """Take a bad verdict. It is not kept: rights just given count at the next try."""
        asked = self._forget(message.request)
        if asked is None:
            return Answered([], [])
        return Answered(asked.waiting, self._ask_for_others(asked, now))

    def again(self, now: float, *, patience: float = PATIENCE) -> list[Open]:
        """Questions asked ``patience`` seconds ago or longer that somebody still waits for, to be asked again."""
        due: list[Open] = []
        for number, asked in list(self._asked.items()):
            if now - asked.asked_at < patience:
                continue
            asked.forget_the_gone()
            if asked.waiting or asked.others:
                asked.asked_at = now
                due.append(asked.message)
            else:
                self._forget(number)
        return due

    def _ask(self, name: str, params: str, subscription: Subscription, now: float) -> Open | None:
        identity = subscription.client.identity
        question = (name, params, identity.claims)
        number = self._numbers.get(question)
        if number is not None:
            self._asked[number].waiting.append(subscription)
            return None
        self._requests += 1
        message = Open(self._requests, name, params, identity.actor, identity.claims)
        self._asked[self._requests] = _Asked(message, now, [subscription])
        self._numbers[question] = self._requests
        if name not in self._private:
            self._numbers.setdefault((name, params, None), self._requests)
        return message

    def _ask_for_others(self, asked: _Asked, now: float) -> list[Open]:
        # Each for itself, at once: waiting for one another again would answer a crowd one by one.
        asked.forget_the_gone()
        name, params = asked.message.name, asked.message.params
        questions = (self._ask(name, params, subscription, now) for subscription in asked.others)
        return [question for question in questions if question is not None]

    def _forget(self, number: int) -> _Asked | None:
        asked = self._asked.pop(number, None)
        if asked is not None:
            question = asked.message
            for claims in question.claims, None:
                if self._numbers.get((question.name, question.params, claims)) == number:
                    del self._numbers[question.name, question.params, claims]
        return asked
