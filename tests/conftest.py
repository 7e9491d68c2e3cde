import pytest
import torch
from hypothesis import settings

# The same examples in every run: a property that fails here fails everywhere.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tests run in several processes; one thread each is fastest and the same as in the workers."""
    torch.set_num_threads(1)
