"""What the routes find in the application; put there by `app.py`, each once."""

from aiohttp import web

from media_server.live import Live
from media_server.retry import Retrying
from media_server.settings import Settings
from media_server.signing import Links
from shared.clock import Clock
from shared.repository.conversations import ConversationRepository
from shared.repository.listing import Listing
from shared.repository.messages import MessageRepository

SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
CLOCK: web.AppKey[Clock] = web.AppKey("clock")
LINKS: web.AppKey[Links] = web.AppKey("links", Links)
LIVE: web.AppKey[Live] = web.AppKey("live", Live)
MESSAGES: web.AppKey[MessageRepository] = web.AppKey("messages", MessageRepository)
LISTING: web.AppKey[Listing] = web.AppKey("listing", Listing)
CONVERSATIONS: web.AppKey[ConversationRepository] = web.AppKey("conversations", ConversationRepository)
RETRYING: web.AppKey[Retrying] = web.AppKey("retrying", Retrying)
