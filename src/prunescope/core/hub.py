"""The Hugging Face hub: its client speaks only through us."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_retry_messages() -> Iterator[None]:
    """Keep the hub's client from logging each attempt: a last failure is told once, by us."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
