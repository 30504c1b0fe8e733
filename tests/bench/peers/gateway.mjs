// The webhook gateway as a team on Node would write it: Express, the signature over the raw body, one confirmed and
// mandatory publish for each media message, 200 when all are confirmed. One process, as Attache's.
import { createHash, createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import amqp from "amqplib";
import express from "express";

const { PORT, RABBITMQ_URL, WHATSAPP_APP_SECRET } = process.env;
const EXCHANGE = "media.events";
const ROUTING_KEY = "media.received";
const CONFIRM_MILLISECONDS = 5000;
const MEDIA = new Set(["image", "video", "audio", "document", "sticker"]);

const connection = await amqp.connect(RABBITMQ_URL);
const channel = await connection.createConfirmChannel();
await channel.assertExchange(EXCHANGE, "topic", { durable: true });

// An unroutable message comes back before its confirm does.
const returned = new Set();
channel.on("return", (message) => returned.add(message.properties.messageId));
// A supervisor starts it anew; Meta repeats what was not answered.
connection.on("error", (error) => console.error(error.message));
connection.on("close", () => process.exit(1));

function publish(event, correlationId) {
  const messageId = randomUUID();
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("not confirmed in time")), CONFIRM_MILLISECONDS);
    const options = {
      persistent: true, mandatory: true, contentType: "application/json", type: `${ROUTING_KEY}.v1`,
      messageId, correlationId, timestamp: Math.floor(Date.now() / 1000), headers: { "x-attempt": 1 },
    };
    channel.publish(EXCHANGE, ROUTING_KEY, Buffer.from(JSON.stringify(event)), options, (error) => {
      clearTimeout(late);
      if (error || returned.delete(messageId)) reject(error ?? new Error("no queue takes it"));
      else resolve();
    });
  });
}

function isSigned(body, header = "") {
  const expected = Buffer.from(`sha256=${createHmac("sha256", WHATSAPP_APP_SECRET).update(body).digest("hex")}`);
  const given = Buffer.from(header);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function* mediaEvents(webhook, receivedAt) {
  for (const entry of webhook.entry ?? []) {
    for (const { value = {} } of entry.changes ?? []) {
      const phoneNumberId = value.metadata?.phone_number_id;
      for (const message of value.messages ?? []) {
        const media = message[message.type];
        if (!MEDIA.has(message.type) || !media?.id) continue;
        const customer = { waId: message.from, userId: message.from_user_id };
        const contact = value.contacts?.find((one) => one.wa_id === message.from);
        const identity = JSON.stringify([phoneNumberId, message.id, media.id]);
        yield {
          mediaId: `m${createHash("sha256").update(identity).digest("hex").slice(0, 32)}`,
          phoneNumberId,
          messageId: message.id,
          providerMediaId: media.id,
          direction: "inbound",
          kind: media.voice ? "voice" : message.type,
          sender: { ...customer, name: contact?.profile?.name },
          customer,
          groupId: message.group_id,
          caption: media.caption,
          fileName: media.filename,
          sentAt: new Date(Number(message.timestamp) * 1000).toISOString(),
          receivedAt,
          declared: { mimeType: media.mime_type, sha256: media.sha256 && Buffer.from(media.sha256, "base64").toString("hex") },
        };
      }
    }
  }
}

const app = express().disable("x-powered-by");
app.get("/healthz", (_, response) => response.sendStatus(200));
app.post("/webhooks/whatsapp", express.raw({ type: () => true, limit: "4mb" }), async (request, response) => {
  if (!isSigned(request.body, request.get("x-hub-signature-256"))) return response.sendStatus(401);
  let events;
  try {
    events = [...mediaEvents(JSON.parse(request.body), new Date().toISOString())];
  } catch {
    return response.sendStatus(400);
  }
  const correlationId = randomUUID();
  try {
    await Promise.all(events.map((event) => publish(event, correlationId)));
  } catch {
    return response.set("Retry-After", "5").sendStatus(503);
  }
  return response.status(200).end();
});
app.listen(Number(PORT), "127.0.0.1");
