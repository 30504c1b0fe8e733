"""Meta's WhatsApp Business Cloud API as seen from outside: signed webhooks, Graph's media endpoints, faults on request.

For tests and demonstrations of anything that receives WhatsApp media. It knows nothing of who uses it.
"""

from whatsapp_simulator.catalogue import KINDS
from whatsapp_simulator.clock import Clock
from whatsapp_simulator.content import BytesContent, Content, SyntheticContent
from whatsapp_simulator.demo import ADA, DEMO_ACCESS_TOKEN, DEMO_NUMBER
from whatsapp_simulator.encoding import escape, sign, webhook_digest
from whatsapp_simulator.fault_names import FAULTS
from whatsapp_simulator.faults import BodyForm, Fault, FaultName, Per, RetryAfterForm, Shape, Step
from whatsapp_simulator.files import SAMPLES, Sample
from whatsapp_simulator.media import Media, SizeForm
from whatsapp_simulator.outbox import OutboundMessage
from whatsapp_simulator.rate_limit import RateLimit
from whatsapp_simulator.sender import NO_ANSWER, Delivery, WebhookSender
from whatsapp_simulator.simulator import NotSubscribed, Simulator
from whatsapp_simulator.targets import Target
from whatsapp_simulator.traffic import Sent, Traffic
from whatsapp_simulator.webhooks import (
    AccountError,
    Attachment,
    BusinessNumber,
    Call,
    Customer,
    Edit,
    FieldChange,
    Flow,
    HistoryChunk,
    Kind,
    MediaPlaceholder,
    Message,
    Other,
    Revoke,
    Status,
    SystemNotice,
    Text,
    Unsupported,
    WebhookError,
    WebhookTooLarge,
    echo,
    envelope,
)

__all__ = [
    "ADA",
    "DEMO_ACCESS_TOKEN",
    "DEMO_NUMBER",
    "FAULTS",
    "KINDS",
    "NO_ANSWER",
    "SAMPLES",
    "AccountError",
    "Attachment",
    "BodyForm",
    "BusinessNumber",
    "BytesContent",
    "Call",
    "Clock",
    "Content",
    "Customer",
    "Delivery",
    "Edit",
    "Fault",
    "FaultName",
    "FieldChange",
    "Flow",
    "HistoryChunk",
    "Kind",
    "Media",
    "MediaPlaceholder",
    "Message",
    "NotSubscribed",
    "Other",
    "OutboundMessage",
    "Per",
    "RateLimit",
    "RetryAfterForm",
    "Revoke",
    "Sample",
    "Sent",
    "Shape",
    "Simulator",
    "SizeForm",
    "Status",
    "Step",
    "SyntheticContent",
    "SystemNotice",
    "Target",
    "Text",
    "Traffic",
    "Unsupported",
    "WebhookError",
    "WebhookSender",
    "WebhookTooLarge",
    "echo",
    "envelope",
    "escape",
    "sign",
    "webhook_digest",
]
