"""The client: its arguments, what it selects from, and its calls."""
