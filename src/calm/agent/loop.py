"""The loop: policy and world answer each other until the world falls silent or a limit is met.

`follow` is the loop itself, a generator; `converse` runs it to its end, `stream` tells it as events.
"""

from collections.abc import Callable, Generator, Iterator

from calm.agent import spans
from calm.agent.events import Event, Finished, Item, Tracked, Writing, events
from calm.agent.limits import DEFAULT, Limits, Spent, warning
from calm.agent.live import heard
from calm.agent.state import Tracker, from_calls, tracked, untracked, waiting
from calm.conversation import Assistant, Conversation, Garbled, Message, Step
from calm.policy import Policy
from calm.world import Offering, World


def converse(
    policy: Policy,
    world: World,
    start: Conversation,
    limits: Limits = DEFAULT,
    on_message: Callable[[Message], None] = lambda message: None,
) -> Conversation:
    """Let policy and world answer each other until the world falls silent or a limit is met.

    `meta.ended` of the result says which: `world` or the name of a limit. `on_message` hears every message as it comes,
    so a terminal, a log or a page can follow.
    """
    done = start
    for item in follow(policy, world, start, limits):
        if isinstance(item, Finished):
            done = item.conversation
        elif not isinstance(item, Writing | Tracked):
            on_message(item)
    return done


def stream(
    policy: Policy, world: World, start: Conversation, limits: Limits = DEFAULT, tracker: Tracker = from_calls
) -> Iterator[Event]:
    """The same conversation as events: what is being written, thoughts, actions, observations, responses, states.

    The last is a `Finished` that holds the conversation; leaving the generator early ends it where it stands.
    """
    for item in follow(policy, world, start, limits, tracker, live=True):
        yield from events(item)


def follow(
    policy: Policy,
    world: World,
    start: Conversation,
    limits: Limits = DEFAULT,
    tracker: Tracker | None = None,
    live: bool = False,
) -> Iterator[Item]:
    """The loop itself: each message when it is part of the conversation, and a `Finished` at the end.

    A start that ends with calls nobody has answered goes on with their answer, so a conversation that was cut off there
    can be taken up again.

    Args:
        policy: who speaks.
        world: who answers.
        start: where to begin.
        limits: where to stop.
        tracker: what notes the dialogue state, in `Conversation.state` and as `Tracked` whenever the model has spoken
            to the user; None leaves states as they are.
        live: let the policy be heard while it writes, as `Writing` before the step; the step is the same.
    """
    conversation, spent, ended = start, Spent(), None
    with spans.agent(start, policy.name) as root:
        step = unanswered(start)
        while not ended:
            if step is None:
                step = yield from _step(policy, conversation, live, root)
                spent.step(policy)
                conversation = conversation.add(step)
                yield step
                if tracker and isinstance(step, Assistant) and not step.calls:
                    conversation, state = tracked(conversation, tracker)
                    yield from state
            with spans.within(root):
                answer = tuple(world(conversation, step))
            conversation = _offered(conversation.add(*answer), world)
            yield from answer
            ended = spent.reached(conversation, limits) if answer else "world"
            if not ended and limits.repeats and (note := warning(conversation)):
                conversation = conversation.add(note)
                yield note
            step = None
        if tracker and untracked(conversation):
            conversation, state = tracked(conversation, tracker)
            yield from state
        conversation = conversation.note(ended=ended)
        spans.finish(root, ended)
    yield Finished(why=ended, steps=spent.steps, tokens=spent.tokens, seconds=spent.seconds, conversation=conversation)


def unanswered(conversation: Conversation) -> Assistant | None:
    """The last step when it has calls that nobody has answered yet and nothing follows it."""
    last = conversation.messages[-1] if conversation.messages else None
    return last if isinstance(last, Assistant) and waiting(conversation) else None


def _step(policy: Policy, conversation: Conversation, live: bool, root: spans.Span) -> Generator[Writing, None, Step]:
    """The policy's next step, heard as it is written when `live`; the generator's value is the step."""
    step: Step = Garbled(raw="", why="the model gave no step")
    with spans.chat(root, policy.name) as span:
        if live:
            for item in heard(policy, conversation):
                if isinstance(item, Writing):
                    yield item
                else:
                    step = item
        else:
            with spans.within(span):
                step = policy(conversation)
        spans.told(span, policy, step)
    return step


def _offered(conversation: Conversation, world: World) -> Conversation:
    """The conversation with the tools that the world offers now."""
    if isinstance(world, Offering) and world.offered != conversation.tools:
        return conversation.model_copy(update={"tools": world.offered})
    return conversation
