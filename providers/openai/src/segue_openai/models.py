"""OpenAI's models, as models.json has them, and what is known of them on Chat Completions.

What two sources disagree on is left out. Prices (USD per million tokens) are those of prompts up to 272,000
tokens, where they grow with the length, and of text where a model hears. A model that always thinks has no
tools on Chat Completions, another only where it is told not to think: those facts say where they come from.
"""

from __future__ import annotations

from typing import Final

from segue.plugin import declared_models

MODELS: Final = declared_models("segue_openai")["openai"]
"""The models, the recommended ones first."""
