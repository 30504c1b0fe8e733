"""Meta's Graph API, as far as Attache needs it: where media is, whether a token works, and what an error means."""
