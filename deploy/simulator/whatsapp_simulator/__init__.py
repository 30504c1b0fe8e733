"""Meta's WhatsApp Business Cloud API as seen from outside: signed webhooks, Graph's media endpoints, faults on request.

For tests and demonstrations of anything that receives WhatsApp media. It knows nothing of who uses it.
"""

from whatsapp_simulator.clock import Clock
from whatsapp_simulator.content import BytesContent, Content, SyntheticContent
from whatsapp_simulator.demo import ADA, DEMO_ACCESS_TOKEN, DEMO_NUMBER
from whatsapp_simulator.encoding import escape, sign, webhook_digest
from whatsapp_simulator.faults import Fault, FaultName, Step
from whatsapp_simulator.files import SAMPLES, Sample
from whatsapp_simulator.media import Media, SizeForm
from whatsapp_simulator.sender import NO_ANSWER, Delivery, WebhookSender
from whatsapp_simulator.simulator import NotSubscribed, Simulator
from whatsapp_simulator.webhooks import Attachment, BusinessNumber, Customer, Kind, Message, Status, Text, envelope

__all__ = [
    "ADA",
    "DEMO_ACCESS_TOKEN",
    "DEMO_NUMBER",
    "NO_ANSWER",
    "SAMPLES",
    "Attachment",
    "BusinessNumber",
    "BytesContent",
    "Clock",
    "Content",
    "Customer",
    "Delivery",
    "Fault",
    "FaultName",
    "Kind",
    "Media",
    "Message",
    "NotSubscribed",
    "Sample",
    "Simulator",
    "SizeForm",
    "Status",
    "Step",
    "SyntheticContent",
    "Text",
    "WebhookSender",
    "envelope",
    "escape",
    "sign",
    "webhook_digest",
]
