"""Attache's previews on demand: the sandbox as the previewer runs it. Reads orders, answers each with one line.

Beside the orders of pictures it takes `{"nothing": n}` and `{"together": n, ...}`, which tell how long n took.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from previewer.render.job import Job
from previewer.sandbox import Sandbox
from shared.plan import PREVIEW, THUMB


async def _serve(workers: int, folder: Path) -> None:
    sandbox = Sandbox(workers=workers, place=lambda: _workspace(folder))
    await sandbox.start()
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            sys.stdout.write(json.dumps(await _carried_out(sandbox, order, folder)) + "\n")
            sys.stdout.flush()
    finally:
        await sandbox.close()


async def _carried_out(sandbox: Sandbox, order: dict[str, Any], folder: Path) -> dict[str, object]:
    began = time.perf_counter()
    if nothing := order.get("nothing"):
        for _ in range(nothing):
            await sandbox.run(os.getpid)
        return {"seconds": time.perf_counter() - began}
    if together := order.get("together"):
        await asyncio.gather(*(_previews(sandbox, order, folder) for _ in range(together)))
        return {"seconds": time.perf_counter() - began}
    return {"thumbhash": await _previews(sandbox, order, folder)}


async def _previews(sandbox: Sandbox, order: dict[str, Any], folder: Path) -> str | None:
    source = Path(order["source"])
    async with _workspace(folder) as out_dir:
        job = Job(source=source, out_dir=out_dir, mime_type=order["mimeType"], size_bytes=order["sizeBytes"])
        rendered = await sandbox.render(job)
        wanted = {PREVIEW.name: order["previewPath"], THUMB.name: order["thumbPath"]}
        for file in rendered.files:
            file.path.replace(wanted[file.name])
    return rendered.facts.thumbhash


@asynccontextmanager
async def _workspace(folder: Path) -> AsyncIterator[Path]:
    with TemporaryDirectory(dir=folder) as each:
        yield Path(each)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
