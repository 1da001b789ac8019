"""The models of OpenAI, from models.json, and their facts on Chat Completions.

A fact on which two sources disagree is left out. Prices (USD per million tokens) are for prompts up to 272,000 tokens
if they grow with the length, and for text if a model also takes audio. A model that always thinks does not support
tools on Chat Completions; other models support them only with thinking off. Those facts name their source.
"""

from __future__ import annotations

from typing import Final

from segue.plugin import declared_models

MODELS: Final = declared_models("segue_openai")["openai"]
"""The models, recommended ones first."""
