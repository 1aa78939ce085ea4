"""Compares the picture with the truth, card by card and number by number."""

from collections import Counter
from collections.abc import Collection, Iterator

from tests.xray.truth.picture import ENDED, Card, Picture
from tests.xray.truth.sources import QUEUE, Truth

WORDS = {"held": "reserved", "left-behind": "left behind"}
BACKEND = "backend"
Place = tuple[str, str, str]  # state, column, and queue or worker
IN_A_QUEUE: set[Place] = {("waiting", "broker", QUEUE), ("retrying", "broker", QUEUE)}


def disagreements(
    truth: Truth, picture: Picture, sent: Collection[str], seen: Collection[str]
) -> list[str]:
    """Return in which points the page says what isn't so.

    `seen` are the tasks that had a card before.
    """
    messages = truth.messages
    tasks = {*sent, *picture.cards, *(messages.waiting or ()), *(messages.unacked or ())}
    where = {task: places(truth, task) for task in tasks}
    found = [
        f"{task[:8]}: {what}"
        for task in sorted(tasks)
        for what in of_one_task(truth, picture.cards.get(task), where[task])
    ]
    return [*found, *of_ends(truth, picture, where, seen), *of_numbers(truth, picture)]


def places(truth: Truth, task: str) -> set[Place]:
    """Return where a task is: mostly one place, or two if its message was delivered twice.

    That happens when Redis gives a message back whose worker lives, and has it still: then the
    task is done twice, and in each place that it has, so is its card. It may have ended in one.
    RabbitMQ doesn't tell which messages wait. There, a task that nobody has and that hasn't ended
    may wait or be lost: how many do either is compared by numbers.
    """
    found = set(places_of_its_message(truth, task))
    ended = {(truth.results[task], BACKEND, "")} if task in truth.results else set()
    if found:
        return found | (ended if is_again(truth, task) else set())
    if ended:
        return ended | (IN_A_QUEUE if can_wait_unseen(truth, task) else set())
    return {("lost", BACKEND, "")} | (IN_A_QUEUE if truth.messages.waiting is None else set())


def places_of_its_message(truth: Truth, task: str) -> Iterator[Place]:
    """Give where a task's message is, or the worker that works on it."""
    messages, workers = truth.messages, truth.workers
    if task in workers.active:
        yield "running", "worker", workers.active[task][0]
    if task in workers.reserved:
        yield "held", "worker", workers.reserved[task]
    if task in workers.scheduled:
        state = "retrying" if task in truth.tried else "scheduled"
        yield state, "worker", workers.scheduled[task]
    if task in (messages.waiting or ()):
        yield "waiting", "broker", QUEUE
        if task in messages.to_be_retried:
            yield "retrying", "broker", QUEUE
    if task in (messages.unacked or ()) and not workers.holders(task):
        yield "left-behind", "broker", QUEUE


def is_again(truth: Truth, task: str) -> bool:
    """Tell whether Redis has, or had, a task's message twice: its result is there already.

    That of a revoked one is no sign: workers store it as soon as they are told.
    """
    is_redis = truth.messages.waiting is not None
    return is_redis and truth.results.get(task, "revoked") != "revoked"


def can_wait_unseen(truth: Truth, task: str) -> bool:
    """Tell whether a task with a result may be in RabbitMQ's queue: it is revoked, or was."""
    return truth.messages.waiting is None and truth.results[task] == "revoked"


def of_one_task(truth: Truth, card: Card | None, so: set[Place]) -> Iterator[str]:
    """Compare where a task is with its card."""
    if card is None:
        # Of many that have ended, the page draws the latest. They are compared by their number.
        if all(column != BACKEND for _, column, _ in so):
            yield f"no card, though it is {so}"
    elif (card.state, card.column, card.owner) not in so:
        yield f"{card}, though it is {so}"
    else:
        yield from of_details(truth, card)


def of_details(truth: Truth, card: Card) -> Iterator[str]:
    """Compare what a card says besides its state."""
    if card.guessed and not has_left_unseen(truth, card):
        yield f"{card}, though all was watched"
    if card.state in ("held", "scheduled", "retrying", "waiting", "left-behind"):
        yield from of_revoked(truth, card)
    if card.state == "running":
        pid = truth.workers.active[card.id][1]
        if card.process not in (f"process {pid}", "also running"):
            yield f"{card}, though it runs on process {pid}"


def has_left_unseen(truth: Truth, card: Card) -> bool:
    """Tell whether a card says that a message has left RabbitMQ's queue, and wasn't seen since.

    So it is when a worker has taken it before it was asked for events, and was killed.
    """
    return truth.messages.waiting is None and card.brief == "left"


def of_revoked(truth: Truth, card: Card) -> Iterator[str]:
    """Compare whether a task that hasn't begun is called revoked."""
    workers = truth.workers
    # Who has it, drops it. One that waits is dropped by whoever takes it, if that one knows.
    able = workers.holders(card.id) or workers.revoked.keys()
    so = any(card.id in workers.revoked[name] for name in able)
    if card.brief is not None and (card.brief == "revoked") != so:
        yield f"{card}, though workers {'do' if so else 'do not'} know it as revoked"


def of_ends(
    truth: Truth, picture: Picture, where: dict[str, set[Place]], seen: Collection[str]
) -> Iterator[str]:
    """Compare how many tasks have ended in each way.

    In RabbitMQ no message can be seen. What a worker does before it has been asked for events, or
    is killed before it has told, can't be known: it never had a card.
    """
    is_rabbitmq = truth.messages.waiting is None
    for state in ENDED:
        able = [task for task, found in where.items() if (state, BACKEND, "") in found]
        most = len(able)
        sure = [task for task in able if len(where[task]) == 1]
        least = len([task for task in sure if task in seen or not is_rabbitmq])
        if is_rabbitmq and state == "lost":  # the others wait
            revoked = [found for found in where.values() if ("revoked", BACKEND, "") in found]
            most -= max(0, truth.messages.depth.get(QUEUE, 0) - len(revoked))
            left = [card for card in picture.cards.values() if has_left_unseen(truth, card)]
            unseen = len(set(able).difference(seen)) + len(left)
            least = max(0, len(able) - truth.messages.depth.get(QUEUE, 0) - unseen)
        shown = picture.tally.get(state, 0)
        if not least <= shown <= most:
            yield f"tally: {shown} {state} on the page, {least} to {most} in truth"


def of_numbers(truth: Truth, picture: Picture) -> Iterator[str]:
    """Compare the numbers on the page with what a person would get by counting."""
    cards = picture.cards.values()
    underway = Counter(card.state for card in cards if card.state not in ENDED)
    summary = {WORDS.get(state, state): count for state, count in underway.items()} | picture.tally
    ahead = Counter(card.owner for card in cards if card.list == "held")
    held = picture.held.get(QUEUE, 0)
    pairs = {
        "cards": (picture.drawn, len(picture.cards)),
        "summary": (picture.summary, summary),
        "reserved ahead": (+Counter(picture.reserved), ahead),
        "depth": (picture.depth.get(QUEUE, 0), truth.messages.depth.get(QUEUE, 0)),
        "delivered, not acknowledged": (held, truth.messages.unacknowledged),
        "paused": (picture.paused, truth.workers.paused),
        "processes": (picture.processes, truth.workers.processes),
        "banner": (picture.banner, ""),
        "tasks with two cards": (picture.twice, set()),
    }
    for what, (shown, so) in pairs.items():
        if shown != so:
            yield f"{what}: {shown} on the page, {so} in truth"
