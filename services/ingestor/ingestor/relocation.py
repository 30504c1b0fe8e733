"""Documents go where their conversation goes."""

from shared.media import Attachment
from shared.repository.conversations import ConversationRepository, Resolved
from shared.repository.messages import MessageRepository
from shared.updates import Announcer


class Relocation:
    """Moves the documents of merged conversations; one revision each, and each is announced."""

    def __init__(
        self, *, messages: MessageRepository, conversations: ConversationRepository, announcer: Announcer
    ) -> None:
        self._messages = messages
        self._conversations = conversations
        self._announcer = announcer

    async def gather(self, resolved: Resolved) -> None:
        """Move what the merged ones still have. Documents that come in later are moved by whoever inserts them."""
        sources, goes_on = [*resolved.merged], resolved.conversation_id
        while sources:
            for source in sources:
                await self._move(source, goes_on)
            # merged itself meanwhile? Then those who did it may have looked before our documents came
            before, goes_on = goes_on, await self._conversations.surviving(goes_on)
            sources = [] if goes_on == before else [before]

    async def followed(self, attachment: Attachment) -> Attachment:
        """The document, which has just been written, in the conversation that goes on by now."""
        goes_on = await self._conversations.surviving(attachment.conversation_id)
        if goes_on == attachment.conversation_id:
            return attachment
        await self.gather(Resolved(conversation_id=goes_on, merged=(attachment.conversation_id,)))
        return await self._messages.get(attachment.id) or attachment

    async def _move(self, source: str, target: str) -> None:
        async for change in self._messages.move_conversation(source=source, target=target):
            self._announcer.announce(change)
