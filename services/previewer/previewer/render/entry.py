"""What the service asks a worker to do, by a name that can be imported without loading any decoder into the service."""

from typing import Any

from previewer.render import answers
from previewer.render.job import Job


def render(job: Job) -> dict[str, Any]:
    """See `worker.render`; as JSON."""
    from previewer.render import worker  # only a worker has the decoders

    return answers.told(worker.render(job))
