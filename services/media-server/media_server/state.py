"""What the routes find in the application; put there by `app.py`, each once."""

import asyncio

from aiohttp import web

from media_server.live import Live
from media_server.settings import Settings
from media_server.signing import Links
from shared.broker.publisher import Publisher
from shared.clock import Clock
from shared.graph.client import Graph
from shared.repository.conversations import ConversationRepository
from shared.repository.instances import InstanceRepository
from shared.repository.listing import Listing
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database
from shared.repository.refusals import Refusals
from shared.retrying import Retrying
from shared.updates import Announcer

SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
CLOCK: web.AppKey[Clock] = web.AppKey("clock")
LINKS: web.AppKey[Links] = web.AppKey("links", Links)
LIVE: web.AppKey[Live] = web.AppKey("live", Live)
MESSAGES: web.AppKey[MessageRepository] = web.AppKey("messages", MessageRepository)
LISTING: web.AppKey[Listing] = web.AppKey("listing", Listing)
CONVERSATIONS: web.AppKey[ConversationRepository] = web.AppKey("conversations", ConversationRepository)
RETRYING: web.AppKey[Retrying] = web.AppKey("retrying", Retrying)
PUBLISHER: web.AppKey[Publisher] = web.AppKey("publisher", Publisher)
GRAPH: web.AppKey[Graph] = web.AppKey("graph", Graph)
INSTANCES: web.AppKey[InstanceRepository] = web.AppKey("instances", InstanceRepository)
REFUSALS: web.AppKey[Refusals] = web.AppKey("refusals", Refusals)
DATABASE: web.AppKey[Database] = web.AppKey("database")
ANNOUNCER: web.AppKey[Announcer] = web.AppKey("announcer", Announcer)
STOPPING: web.AppKey[asyncio.Event] = web.AppKey("stopping", asyncio.Event)
