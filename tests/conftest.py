import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tests run in several processes; one thread each is fastest and the same as in the workers."""
    torch.set_num_threads(1)
