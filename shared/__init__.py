"""What every service of Attache stands on: events, states, broker, repository, storage, logs and metrics."""
