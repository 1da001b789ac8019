"""What keeps a call alive while hosts fail."""
