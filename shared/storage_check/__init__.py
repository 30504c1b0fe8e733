"""Does the store hold what the database says, and nothing else? Looked at from both sides, told, and repaired."""
