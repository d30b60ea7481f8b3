"""The networks: `ct_module` (Eq. 1-8), `resnet`, `inception`, `zoo` (names), `weights` (foreign weights)."""

from ctnet.models.ct_module import CTModule, balanced_sizes
from ctnet.models.zoo import create_model, list_models

__all__ = ["CTModule", "balanced_sizes", "create_model", "list_models"]
