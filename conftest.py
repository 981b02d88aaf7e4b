"""What all tests share, the plugins' included."""

from __future__ import annotations

import torch

# The tensors are tiny: a second thread waits more than it works, and much more beside other processes.
torch.set_num_threads(1)
