"""A network as a file for other programs: ONNX, and PyTorch's own exported program. Each is read back and compared."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ctnet.errors import ConfigError, ExportError
from ctnet.models.network import FrameNetwork
from ctnet.paths import atomic, writable

TOLERANCE = 1e-4  # of logits, relative to the largest where that is above 1


def export(network: FrameNetwork, path: str | Path, frames: int = 8, size: int = 256) -> float:
    """`to_onnx` or `to_program`, by the suffix: .onnx or .pt2. ConfigError for another one."""
    return writer(path)(network, path, frames, size)


def writer(path: str | Path) -> Callable[..., float]:
    """What writes a file of this suffix; ConfigError for another one or a place that is none."""
    path = Path(path)
    if path.suffix not in WRITERS:
        raise ConfigError(f"{path}: the file's suffix must be {' or '.join(WRITERS)}")
    writable(path)
    return WRITERS[path.suffix]


def to_program(network: FrameNetwork, path: str | Path, frames: int = 8, size: int = 256) -> float:
    """The fused network as a file for `torch.export.load(path).module()`.

    It takes clips (N, 3, frames, size, size), float32 and normalised, for any N, and gives logits (N, classes). Returns
    the greatest difference to the network's own logits. Raises ExportError.
    """

    def write(program, part):
        with warnings.catch_warnings():  # of channels-last weights, which come back as they were
            warnings.filterwarnings("ignore", "No complete tensor found")
            torch.export.save(program, part)

    def read(part):
        module = torch.export.load(part).module()
        return lambda clips: module(clips)

    return written(network, Path(path), frames, size, write, read)


def to_onnx(network: FrameNetwork, path: str | Path, frames: int = 8, size: int = 256) -> float:
    """The fused network as one ONNX file, input `clips`, output `logits`; otherwise as `to_program`.

    Needs the extra `export` (onnx, onnxscript, onnxruntime).
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

    return written(network, Path(path), frames, size, write, read)


WRITERS = {".onnx": to_onnx, ".pt2": to_program}


@torch.no_grad()
def written(
    network: FrameNetwork,
    path: Path,
    frames: int,
    size: int,
    write: Callable[[torch.export.ExportedProgram, str], None],
    read: Callable[[str], Callable[[Tensor], Tensor]],
) -> float:
    """Writes beside `path`, reads it back, compares logits on batches of 1 and 3 clips, moves it into its place."""
    device = next(network.eval().parameters()).device
    clips = [torch.randn(n, 3, frames, size, size, generator=torch.Generator().manual_seed(n)) for n in (1, 3)]
    expected = [network(c.to(device)).cpu() for c in clips]  # what is wrong with frames or size is said here
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
