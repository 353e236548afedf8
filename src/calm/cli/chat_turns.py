"""A chat as turns: said, gone on with, taken back, said again; what happens in them goes to a session and a screen."""

from collections.abc import Callable

from calm.agent import Limits, follow
from calm.agent.desk import Desk
from calm.agent.events import Finished, Tracked, Writing
from calm.agent.sessions import Session
from calm.agent.state import answered, own, tracked, untracked, waiting
from calm.cli.chat_screen import Shown
from calm.conversation import Assistant, Conversation, Observation, User
from calm.errors import CalmError
from calm.policy import Policy
from calm.world import Toolbox
from calm.world.functions import fault
from calm.world.guard import as_run

LIMITS = Limits(seconds=600.0, repeats=3)
"""Of one turn; a person waits no longer, and a model that goes in circles is stopped."""

CUT_OFF = ("stopped", "interrupted")
"""Kinds of error of calls that were not run to their end."""


class Chat:
    """A conversation under way: each line of the person is a turn, and any turn can be taken back.

    The session hears everything before the screen does. What tools of the town did is taken back with the turn; what
    other tools did outside stays done.
    """

    def __init__(
        self,
        policy: Policy,
        toolbox_at: Callable[[Conversation], Toolbox],
        session: Session,
        show: Callable[[Shown], None],
        live: bool = False,
    ) -> None:
        """Go on with `session`.

        Args:
            policy: who answers.
            toolbox_at: the tools as they are at some point of the conversation.
            session: where it is kept.
            show: hears every event.
            live: show also what is being written.
        """
        self.session, self.show = session, show
        self._policy, self._toolbox_at, self._live = policy, toolbox_at, live
        self._follow_session(session)

    @property
    def conversation(self) -> Conversation:
        """All that was said, as it is kept."""
        return self.session.conversation

    def say(self, text: str) -> None:
        """One turn: the person's words, then all the model does until it answers; Ctrl-C keeps what was said so far."""
        said = User(content=text)
        self.session.hear(said)
        self.show(said)
        self.go_on()

    def go_on(self) -> None:
        """Bring the turn to its end that is under way, also one that a killed process left behind."""
        try:
            self._run()
        except KeyboardInterrupt:
            self._stop()
            self.show("stopped; what was said so far is kept, /undo takes the turn back")
        except CalmError:
            self._stop()
            raise

    def undo(self) -> str | None:
        """Take the last turn back and say what the person had said in it; None where there is no turn."""
        places = [place for place, message in enumerate(self.conversation.messages) if isinstance(message, User)]
        if not places:
            self.show("nothing to take back")
            return None
        words = self.conversation.messages[places[-1]]
        self.session.rewind(places[-1])
        self.toolbox = self._toolbox_at(self.conversation)
        self.show(f"taken back; turns before it: {len(places) - 1}")
        return words.content if isinstance(words, User) else None

    def retry(self, words: str = "") -> None:
        """Take the last turn back and have it again, with other words if there are any."""
        said = self.undo()
        if said is not None:
            self.say(words or said)

    def fork(self, name: str) -> None:
        """Go on in a session of another name; this one stays as it is."""
        self._follow_session(self.session.sessions.fork(self.session.name, name))
        self.show(f"this is {name} now; {self.conversation.meta['forked']} stays as it was")

    def _follow_session(self, session: Session) -> None:
        self.session = session
        self.toolbox = self._toolbox_at(session.conversation)
        session.offer(self.toolbox.tools)

    def _run(self) -> None:
        last = self.conversation.messages[-1]
        if isinstance(last, Assistant) and not last.calls:
            self._track()  # killed between the answer and its state
            return
        desk = Desk(self.toolbox, lambda conversation: None, self.session)
        tracker = own(self._policy)
        for item in follow(self._policy, desk, self.conversation, LIMITS, tracker, self._live):
            if isinstance(item, Finished):
                self.session.offer(item.conversation.tools)
                self.session.note(ended=item.why)
            elif isinstance(item, Tracked):
                self.session.track(item.state)
            elif not isinstance(item, Writing):
                self.session.hear(item)
            self.show(item)

    def _stop(self) -> None:
        """Answer the calls that were left open, so that the conversation can go on."""
        self.session.read()
        done = len(self.conversation.messages) - 1 - (self.conversation.steps or (0,))[-1]
        for place, call in enumerate(waiting(self.conversation), done):
            content = self.session.result(place) or fault("stopped by the user", "stopped")
            told = Observation(content=content, call=call.id, name=call.name)
            self.session.hear(told)
            self.show(told)
        self._track()
        self.session.note(ended="stopped")

    def _track(self) -> None:
        if untracked(self.conversation):
            for state in tracked(self.conversation, own(self._policy))[1]:
                self.session.track(state.state)
                self.show(state)


def replayed(toolbox: Toolbox, conversation: Conversation) -> Toolbox:
    """A toolbox that lives in memory, brought to where a conversation left it by running its calls again.

    A call that was refused, or only said what it would do, is not made; one a person changed is made as changed.
    """
    for call, observation in answered(conversation):
        if observation and not any(f'"type": "{kind}"' in observation.content for kind in CUT_OFF):
            made = as_run(call, observation.content)
            if made:
                toolbox.run(made)
    return toolbox
