"""Chains: targets in order, the attempts at each, and the race of two attempts."""
