"""A reproduction of CT-Net: Channel Tensorization Network for Video Classification (Li et al., ICLR 2021).

The public names are imported when they are first used, so that `import ctnet` does not import torch.

    list_models, create_model, CTModule, cost    networks, and what they cost
    load, save, load_released, load_imagenet     weights: ours, the authors', ImageNet's
    predict, saliency, export                    what a trained network is used for
    data                                         data sets, frames, clips and batches
    Experiment, Ensemble, Recipe, Protocol       what is trained and tested, and how
"""

from ctnet import lazy

TYPE_CHECKING = False  # type checkers take it for true; importing `typing` would double the time of `import ctnet`
if TYPE_CHECKING:  # editors and type checkers read the names from here
    from ctnet import data as data
    from ctnet.experiments.experiment import Ensemble as Ensemble
    from ctnet.experiments.experiment import Experiment as Experiment
    from ctnet.inference import export as export
    from ctnet.inference import saliency as saliency
    from ctnet.inference.prediction import predict as predict
    from ctnet.models.cost import cost as cost
    from ctnet.models.ct_module import CTModule as CTModule
    from ctnet.models.pretrained import load_imagenet as load_imagenet
    from ctnet.models.pretrained import load_released as load_released
    from ctnet.models.weights import load as load
    from ctnet.models.weights import save as save
    from ctnet.models.zoo import create_model as create_model
    from ctnet.models.zoo import list_models as list_models
    from ctnet.protocol import Protocol as Protocol
    from ctnet.training.recipe import Recipe as Recipe

__version__ = "0.1.0"

# name -> the module that has it
_PUBLIC = {
    "list_models": "ctnet.models.zoo",
    "create_model": "ctnet.models.zoo",
    "CTModule": "ctnet.models.ct_module",
    "cost": "ctnet.models.cost",
    "load_released": "ctnet.models.pretrained",
    "load_imagenet": "ctnet.models.pretrained",
    "load": "ctnet.models.weights",
    "save": "ctnet.models.weights",
    "predict": "ctnet.inference.prediction",
    "Protocol": "ctnet.protocol",
    "Recipe": "ctnet.training.recipe",
    "Experiment": "ctnet.experiments.experiment",
    "Ensemble": "ctnet.experiments.experiment",
}
_MODULES = {"data": "ctnet.data", "export": "ctnet.inference.export", "saliency": "ctnet.inference.saliency"}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _PUBLIC, _MODULES)
__all__ += ["__version__"]
