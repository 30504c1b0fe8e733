"""The documents: one per attachment, and what is known of conversations, bytes and WhatsApp instances."""
