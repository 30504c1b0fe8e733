"""Makes the sample attachments that the simulator ships: `.venv/bin/python -m make_samples`, then look at them.

Run it once when a sample changes and keep the result; whoever runs the simulator needs none of these libraries.
"""
