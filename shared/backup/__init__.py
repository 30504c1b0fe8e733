"""Documents and files in one folder: written so that no document in it lacks its file, and verified before it is used.

What the folder holds: `manifest.json`, written last; a folder `documents-…` with each collection as mongodump writes it
and `SHA256SUMS` with the digest of every file; the files themselves in `files/`, under their keys. A second backup into
the same folder copies what is new, and until its manifest is there the first one is whole.
"""
