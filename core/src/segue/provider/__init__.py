"""Providers: what they declare, the hosts that are only data, and the models that they list."""
