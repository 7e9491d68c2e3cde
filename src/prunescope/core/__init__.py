"""Nouns that know nothing of networks: errors, registry, configuration, schedules, statistics."""
