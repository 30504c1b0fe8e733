"""Takes Meta's webhooks: a 200 means that every media event of the batch is safe in the broker."""
