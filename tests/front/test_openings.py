from broker.messages import Denied, Error, Open, Opened
from front.clients import Client, Subscription
from front.gates import Identity
from front.openings import MOST_VERDICTS, PATIENCE, Openings

from .wire import Letterbox


def subscription(actor: str = "ada", number: int = 1) -> Subscription:
    client = Client(1, Identity(actor, f'{{"sub":"{actor}"}}'), "c", {}, None, Letterbox(), 0)
    client.subscriptions[number] = Subscription(client, number, None)
    return client.subscriptions[number]


def opened(question: Open | None, *, shared: bool, ttl_ms: int = 1000) -> Opened:
    assert question is not None
    return Opened(question.request, "key", shared, ttl_ms)


def denied(question: Open | None) -> Denied:
    assert question is not None
    return Denied(question.request, Error("forbidden", "no"))


def test_a_question_is_asked_once() -> None:
    """However many wait, one question is under way; its verdict serves all of them."""
    openings = Openings()
    first, second = subscription(number=1), subscription(number=2)
    question = openings.ask("room", "{}", first, 0.0)
    assert question == Open(1, "room", "{}", "ada", first.client.identity.claims)
    assert openings.ask("room", "{}", second, 0.0) is None
    assert openings.opened(opened(question, shared=False), 0.0).subscriptions == [first, second]


def test_a_verdict_is_good_for_its_time() -> None:
    """It is not asked again before, and not trusted after; a private one is its identity's alone."""
    openings = Openings()
    ada, bob = subscription("ada"), subscription("bob")
    openings.opened(opened(openings.ask("inbox", "{}", ada, 0.0), shared=False), 10.0)
    assert openings.known("inbox", "{}", ada.client.identity, 10.9) == "key"
    assert openings.known("inbox", "{}", bob.client.identity, 10.9) is None
    assert openings.known("inbox", "{} ", ada.client.identity, 10.9) is None
    assert openings.known("inbox", "{}", ada.client.identity, 11.0) is None


def test_a_shared_verdict_serves_everybody() -> None:
    """A crowd of many identities costs one question, before and after the answer."""
    openings = Openings()
    ada, bob = subscription("ada"), subscription("bob")
    question = openings.ask("room", "{}", ada, 0.0)
    assert openings.ask("room", "{}", bob, 0.0) is None
    answered = openings.opened(opened(question, shared=True), 0.0)
    assert (answered.subscriptions, answered.questions) == ([ada, bob], [])
    assert openings.known("room", "{}", subscription("eve").client.identity, 0.5) == "key"


def test_a_private_verdict_makes_others_ask_for_themselves() -> None:
    """One identity's answer says nothing about another; all others are asked for at once, and from then on at first."""
    openings = Openings()
    ada, bob, eve = subscription("ada"), subscription("bob"), subscription("eve")
    question = openings.ask("inbox", "{}", ada, 0.0)
    assert openings.ask("inbox", "{}", bob, 0.0) is None
    assert openings.ask("inbox", "{}", eve, 0.0) is None
    answered = openings.opened(opened(question, shared=False), 0.0)
    assert answered.subscriptions == [ada]
    assert [q.actor for q in answered.questions] == ["bob", "eve"]
    assert openings.ask("inbox", '{"box":2}', ada, 0.0) is not None
    assert openings.ask("inbox", '{"box":2}', bob, 0.0) is not None


def test_a_denial_is_for_who_asked() -> None:
    """Others ask for themselves; nothing is kept, so the next try asks anew."""
    openings = Openings()
    ada, bob = subscription("ada"), subscription("bob")
    question = openings.ask("room", "{}", ada, 0.0)
    openings.ask("room", "{}", bob, 0.0)
    answered = openings.denied(denied(question), 0.0)
    assert answered.subscriptions == [ada]
    assert [q.actor for q in answered.questions] == ["bob"]
    assert openings.denied(denied(answered.questions[0]), 0.0).subscriptions == [bob]
    assert openings.ask("room", "{}", ada, 0.0) is not None


def test_an_answer_counts_once() -> None:
    """A question that was asked twice may be answered twice."""
    openings = Openings()
    question = openings.ask("room", "{}", subscription(), 0.0)
    openings.opened(opened(question, shared=False), 0.0)
    assert openings.opened(opened(question, shared=False), 0.0).subscriptions == []
    assert openings.denied(denied(question), 0.0).subscriptions == []


def test_what_is_not_answered_is_asked_again() -> None:
    """After a while, and only as long as somebody waits."""
    openings = Openings()
    ada, bob = subscription("ada"), subscription("bob")
    question = openings.ask("room", "{}", ada, 0.0)
    openings.ask("room", "{}", bob, 0.0)
    assert openings.again(PATIENCE - 1) == []
    assert openings.again(PATIENCE) == [question]
    assert openings.again(PATIENCE + 1) == []
    assert openings.again(PATIENCE + 1, patience=0.0) == [question]
    ada.client.subscriptions.clear()
    assert openings.again(3 * PATIENCE) == [question]
    bob.client.subscriptions.clear()
    assert openings.again(5 * PATIENCE) == []
    assert openings.ask("room", "{}", subscription(), 99.0) is not None


def test_verdicts_are_capped() -> None:
    """A client that makes up parameters does not fill our memory."""
    openings = Openings()
    ada = subscription()
    for number in range(MOST_VERDICTS + 1):
        openings.opened(opened(openings.ask("room", str(number), ada, 0.0), shared=True), 0.0)
    assert openings.known("room", "0", ada.client.identity, 0.0) is None
    assert openings.known("room", str(MOST_VERDICTS), ada.client.identity, 0.0) == "key"
