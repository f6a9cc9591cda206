"""The one optimisation: a network fitted to one image."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from restoration.batch import Batch
from restoration.data import image_of
from restoration.errors import RestorationError
from restoration.fit_checks import check_checkpoint
from restoration.losses import Loss
from restoration.losses.base import scored
from restoration.networks import Hourglass, fast
from restoration.support.generators import own_generator

# (channels of the network's input, channels of the image) -> network with an output in [0, 1]
NetFactory = Callable[[int, int], nn.Module]


class DeepImagePrior(LightningModule):
    """Optimise a network so that the loss of its output is least.

    Args:
        net: the network's class with all but its first two arguments (input depth and output
            channels), which follow from the image.
        loss: what is minimised.
        optimizer: builds the optimiser from the parameters.
        perturbation: standard deviation of the Gaussian noise that is added to the network's input
            afresh at each step; 0 switches it off. (The paper speaks of a constant input; the
            reference code of the deep image prior adds this noise.)
        cuda_graph: launch the network's kernels, forward and backward, as one CUDA graph each; for
            losses that say how often they evaluate the network (``calls_net``), each time by graphs
            of its own, and precision 32-true. By default this is done with an ``Hourglass`` on a
            GPU of NVIDIA's and losses that do not evaluate it.

    Attributes:
        net: the network, from ``configure_model`` on; ``load_from_checkpoint`` builds it too.
        channels: of the network's input and of the image.
    """

    net: nn.Module
    channels: tuple[int, int]

    def __init__(
        self,
        net: NetFactory,
        loss: Loss,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=0.01, fused=True),
        perturbation: float = 1 / 30,
        cuda_graph: bool | None = None,
    ) -> None:
        super().__init__()
        self.make_net = net
        self.loss = loss
        self.optimizer = optimizer
        self.perturbation = perturbation
        self.cuda_graph = cuda_graph
        # the network as CUDA graphs, one for each time that a step evaluates it
        self.replays: list[Callable[[Tensor], Tensor]] = []
        self.generator: torch.Generator | None = None
        self.generator_state: Tensor | None = None
        self.global_state: Tensor | None = None

    def configure_model(self) -> None:
        """Build the network for the image at hand; Lightning calls this more than once.

        Without a trainer there is no image: ``on_load_checkpoint`` builds it then.
        """
        if self._trainer is not None and not hasattr(self, "net"):
            batch = image_of(self.trainer).batch
            self.channels = (batch.z.shape[1], batch.target.shape[1])
            self.net = self.make_net(*self.channels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the injected optimiser over network and loss parameters.

        Raises:
            RestorationError: Its settings are impossible.
        """
        try:
            return self.optimizer(self.parameters())
        except ValueError as error:
            raise RestorationError(f"the optimiser refuses its settings: {error}") from error

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the trainer asks for.

        Raises:
            RestorationError: the optimiser cannot, since it scales the gradients itself.
        """
        try:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        except RuntimeError as error:
            if "does not allow for gradient clipping" not in str(error):
                raise
            raise RestorationError(
                "a fused optimiser does not clip gradients of mixed precision; give "
                "--model.optimizer torch.optim.Adam --model.optimizer.fused false"
            ) from error

    def on_fit_start(self) -> None:
        """Create the generator of the perturbation, and record the network if asked to.

        Raises:
            RestorationError: this network cannot be recorded.
        """
        self.generator = own_generator(self.device, self.generator_state)
        self.allow_tf32 = torch.backends.cudnn.allow_tf32
        if self.loss.full_precision:  # also in the backward pass, which runs outside of the step
            torch.backends.cudnn.allow_tf32 = False
        if self.records:
            z = image_of(self.trainer).batch.z.to(self.device)
            evaluations = 1 + (self.loss.calls_net or 0)
            self.replays = [fast.cuda_graph.recorded(self.net, z) for _ in range(evaluations)]

    @property
    def records(self) -> bool:
        """Whether the network becomes a CUDA graph.

        Raises:
            RestorationError: that is asked for, and cannot be.
        """
        possible = (
            self.loss.calls_net is not None
            and self.trainer.precision == "32-true"
            and self.trainer.accumulate_grad_batches == 1  # gradients lie in the same memory, too
        )
        if self.cuda_graph is None:
            known = (
                type(self.net) is Hourglass
                and not self.loss.calls_net  # several graphs of one network: by the CPU alone
                and self.trainer.world_size == 1
            )
            return possible and known and self.device.type == "cuda" and not torch.version.hip
        if self.cuda_graph and not possible:
            raise RestorationError(
                "a CUDA graph is for losses that say how often they evaluate the network, for "
                "precision 32-true and steps with a gradient each; leave --model.cuda_graph out"
            )
        return self.cuda_graph

    def on_fit_end(self) -> None:
        """Leave the process as it was, and forget the graphs: the weights move."""
        self.replays = []
        torch.backends.cudnn.allow_tf32 = self.allow_tf32

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the generator's state, which a resumed run goes on from, and the image's sum."""
        assert self.generator is not None
        checkpoint["generator"] = self.generator.get_state()
        checkpoint["global_generator"] = self.global_generator.get_state()
        checkpoint["image"] = self.image_sum()
        checkpoint["input"] = image_of(self.trainer).input_name
        checkpoint["channels"] = self.channels

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the generators' states, which are applied when the run begins.

        Without a trainer, as in ``load_from_checkpoint``, the network is built instead.

        Raises:
            RestorationError: the checkpoint is that of another image than the trainer's, of
                another input of the network, or of other settings of the optimiser or the loss.
        """
        if self._trainer is None:
            self.net = self.make_net(*checkpoint["channels"])
            return
        own = image_of(self.trainer).input_name
        check_checkpoint(checkpoint, self.image_sum(), own, self.hparams)
        self.generator_state = checkpoint["generator"]
        self.global_state = checkpoint.get("global_generator")  # earlier versions kept none

    @property
    def global_generator(self) -> torch.Generator:
        """The device's own generator, which networks and losses may draw from (dropout, say)."""
        if self.device.type == "cuda":
            return torch.cuda.default_generators[self.device.index or 0]
        return torch.default_generator

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Go on with the random numbers of a resumed run, after all that draws at the start."""
        if self.global_state is not None:
            self.global_generator.set_state(self.global_state)
            self.global_state = None

    def image_sum(self) -> int:
        """Checksum of the JPEG's pixels."""
        return zlib.crc32(image_of(self.trainer).jpeg.pixels.tobytes())

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load weights.

        Raises:
            RestorationError: they are those of another network or loss.
        """
        try:
            return super().load_state_dict(state_dict, strict, assign)
        except RuntimeError as error:
            raise RestorationError(
                "the checkpoint is that of another network or loss; leave --ckpt_path out, or keep "
                "runs apart by --name"
            ) from error

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step; the image returned is the very output that was optimised, detached.

        Raises:
            RestorationError: the network's output or the loss's is not what they should make.
        """
        if self.perturbation:
            noise = torch.randn(batch.z.shape, generator=self.generator, device=batch.z.device)
            batch = replace(batch, z=noise.mul_(self.perturbation).add_(batch.z))
        # Under a mixed-precision trainer the network alone runs in reduced precision, if it may.
        device = batch.z.device.type
        reduced = torch.is_autocast_enabled(device) and not self.loss.full_precision
        replays = iter(self.replays)
        with torch.autocast(device, enabled=reduced):
            output = next(replays, self.net)(batch.z).float()
        image = output.detach()
        if self.replays:  # the next step writes over it
            image = image.clone()
        with torch.autocast(device, enabled=False):
            graphs = len(self.replays) > 1
            again = (lambda z: next(replays, self.net)(z)) if graphs else self.net
            values = scored(self.loss, output, batch, again)
        return {**values, "image": image}
