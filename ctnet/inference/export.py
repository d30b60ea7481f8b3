"""Exports a network for other programs, as ONNX or as a PyTorch program, and checks what was written."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ctnet.errors import ConfigError, ExportError
from ctnet.models.network import FrameNetwork
from ctnet.paths import atomic, writable

TOLERANCE = 1e-4  # largest difference of logits, relative to the largest logit if that is above 1


def export(network: FrameNetwork, path: str | Path, frames: int = 8, size: int = 256) -> float:
    """Write a network with `to_onnx` or `to_program`, depending on the suffix.

    Args:
        network: A network of ctnet; it is not changed.
        path: A file that ends in .onnx or .pt2.
        frames: Frames per clip (T).
        size: Height and width of the clips in pixels.

    Returns:
        The largest difference between the file's and the network's logits, relative to the largest logit if that is
        above 1.

    Raises:
        ConfigError: For another suffix, or a path where no file can be written.
        ExportError: If the file cannot be written, or its logits differ. No file is left then.

    Example:
        >>> ctnet.export.export(ctnet.load("weights.safetensors"), "network.onnx", frames=8, size=224)
        4.1e-07
    """
    return writer(path)(network, path, frames, size)


def writer(path: str | Path) -> Callable[..., float]:
    """Return the function that writes a file of this suffix.

    Args:
        path: The file to write.

    Returns:
        `to_onnx` or `to_program`.

    Raises:
        ConfigError: For another suffix, or a path where no file can be written.

    Example:
        >>> ctnet.export.writer("model.onnx").__name__
        'to_onnx'
    """
    path = Path(path)
    if path.suffix not in WRITERS:
        raise ConfigError(f"{path}: the file's suffix must be {' or '.join(WRITERS)}")
    writable(path)
    return WRITERS[path.suffix]


def to_program(network: FrameNetwork, path: str | Path, frames: int = 8, size: int = 256) -> float:
    """Write the fused network as a file for `torch.export.load(path).module()`.

    The program takes normalised float32 clips (N, 3, frames, size, size) for any N and returns logits (N, classes).

    Args:
        network: A network of ctnet; it is not changed.
        path: The file to write.
        frames: Frames per clip (T).
        size: Height and width of the clips in pixels.

    Returns:
        The largest difference between the file's and the network's logits, relative to the largest logit if that is
        above 1.

    Raises:
        ExportError: If the file cannot be written, or its logits differ. No file is left then.

    Example:
        >>> gap = to_program(network, "network.pt2", frames=8, size=224)
        >>> logits = torch.export.load("network.pt2").module()(clips)
    """

    def write(program, part):
        with warnings.catch_warnings():  # about channels-last weights, which are read back correctly
            warnings.filterwarnings("ignore", "No complete tensor found")
            torch.export.save(program, part)

    def read(part):
        module = torch.export.load(part).module()
        return lambda clips: module(clips)

    return _write_and_compare(network, Path(path), frames, size, write, read)


def to_onnx(network: FrameNetwork, path: str | Path, frames: int = 8, size: int = 256) -> float:
    """Write the fused network as one ONNX file with input `clips` and output `logits`.

    Input and output are those of `to_program`. Needs the extra `export` (onnx, onnxscript, onnxruntime).

    Args:
        network: A network of ctnet; it is not changed.
        path: The file to write.
        frames: Frames per clip (T).
        size: Height and width of the clips in pixels.

    Returns:
        The largest difference between the file's and the network's logits, relative to the largest logit if that is
        above 1.

    Raises:
        ExportError: If a package is missing, the file cannot be written, or its logits differ. No file is left then.

    Example:
        >>> gap = to_onnx(network, "network.onnx", frames=8, size=224)
        >>> session = onnxruntime.InferenceSession("network.onnx")
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ExportError(f"{path}: ONNX needs the package {error.name}; run: pip install 'ctnet[export]'") from None

    def write(program, part):
        names = {"input_names": ["clips"], "output_names": ["logits"]}
        torch.onnx.export(program, f=part, dynamo=True, external_data=False, verbose=False, **names)

    def read(part):
        session = onnxruntime.InferenceSession(part, providers=["CPUExecutionProvider"])
        return lambda clips: torch.from_numpy(session.run(["logits"], {"clips": clips.numpy()})[0])

    return _write_and_compare(network, Path(path), frames, size, write, read)


WRITERS = {".onnx": to_onnx, ".pt2": to_program}


@torch.no_grad()
def _write_and_compare(
    network: FrameNetwork,
    path: Path,
    frames: int,
    size: int,
    write: Callable[[torch.export.ExportedProgram, str], None],
    read: Callable[[str], Callable[[Tensor], Tensor]],
) -> float:
    """Write a temporary file, read it back, compare logits on batches of 1 and 3 clips, and rename it to `path`."""
    device = next(network.eval().parameters()).device
    clips = [torch.randn(n, 3, frames, size, size, generator=torch.Generator().manual_seed(n)) for n in (1, 3)]
    expected = [network(c.to(device)).cpu() for c in clips]  # refuses wrong frames or size before anything is written
    any_number = ({0: torch.export.Dim("batch")},)
    try:
        with atomic(path, alone=False) as part:
            part.touch()
            write(torch.export.export(network.fuse().cpu(), (clips[1],), dynamic_shapes=any_number), str(part))
            run = read(str(part))
            gaps = [(run(c) - e).abs().max() / e.abs().max().clamp(min=1) for c, e in zip(clips, expected, strict=True)]
            gap = torch.stack(gaps).max().item()
            if not gap < TOLERANCE:
                raise ExportError(f"{path}: not written, its logits differ from the network's by {gap:.1e}")
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror or error})") from error
    return gap
