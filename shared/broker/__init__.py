"""RabbitMQ: topology as data, confirmed publishing, consuming with retries and dead letters."""
