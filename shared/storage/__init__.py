"""Where the bytes of attachments live: a narrow port and its adapters."""
