"""What to do about dead letters: count them by reason, replay them, remove them, and adopt those without a reason."""
