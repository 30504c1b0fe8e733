"""Brings the originals home: registers each attachment, downloads, verifies and stores it."""
