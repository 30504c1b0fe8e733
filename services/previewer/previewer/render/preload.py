"""Everything a worker needs, imported: workers share its memory, and load no code once they are confined."""

from PIL import Image

from previewer.render import entry, worker

__all__ = ["entry", "worker"]

Image.init()  # Pillow loads its formats when the first file asks for them
