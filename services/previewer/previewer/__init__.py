"""Makes the pictures: renditions of each original, in confined worker processes."""
