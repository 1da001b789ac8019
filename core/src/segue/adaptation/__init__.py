"""What a model or host does not support, and how a request is changed to work without it."""
