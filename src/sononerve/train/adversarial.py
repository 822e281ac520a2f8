"""Training against a discriminator: the network is the generator, and its masks are to pass for real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..data.module import Batch
from ..errors import TrainingError
from ..losses import MatchedSoftness, MultiTask
from ..losses.adversarial import BORDER, discriminator_loss, feature_matching, generator_loss
from ..models.discriminator import Discriminator
from ..models.output import SegmentationModel, with_background
from .config import AdversaryConfig, OptimiserConfig, TrainConfig
from .task import Supervised

BETAS = (0.5, 0.999)
STATE = "adversary_optimiser"


@dataclass
class Rivals:
    """Class maps ``(N, C + 1, H, W)`` of the same ``frames``: real ones, made soft, and the generator's."""

    frames: Float[Tensor, "n 1 h w"]
    real: Float[Tensor, "n k h w"]
    generated: Float[Tensor, "n k h w"]


class Adversary(nn.Module):
    """A discriminator with its optimiser (Adam), and what the generator's loss gains from it."""

    def __init__(self, config: AdversaryConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        self.discriminator = Discriminator(classes, config.width, config.layers)
        self.softness = MatchedSoftness(classes)
        self.optimiser: torch.optim.Adam | None = None

    def begin(self, state: dict[str, object] | None = None) -> None:
        """Make the optimiser, on whatever device the weights are by now, and go on from its ``state``."""
        self.optimiser = torch.optim.Adam(self.discriminator.parameters(), self.config.learning_rate, BETAS)
        if state is not None:
            self.optimiser.load_state_dict(state)

    def rivals(self, batch: Batch, logits: Float[Tensor, "n c h w"]) -> Rivals:
        """The maps of a batch that are to be told apart."""
        generated = torch.softmax(with_background(logits.float()), dim=1)
        self.softness.observe(generated.detach())
        return Rivals(batch.frames, self.softness(batch.labels), generated)

    def learn(self, rivals: Rivals) -> dict[str, Tensor]:
        """One step of the discriminator; its loss, and the shares of real and generated patches that it recognised."""
        assert self.optimiser is not None
        kind, discriminator = self.config.loss, self.discriminator
        with torch.autocast(rivals.frames.device.type, enabled=False):
            discriminator.requires_grad_(True)
            self.optimiser.zero_grad()
            real = discriminator(rivals.frames, rivals.real).scores
            generated = discriminator(rivals.frames, rivals.generated.detach()).scores
            loss = discriminator_loss(kind, real, generated)
            loss.backward()  # type: ignore[no-untyped-call]
            _average_gradients(discriminator)
            self.optimiser.step()
            discriminator.requires_grad_(False)
        return {
            "discriminator_loss": loss.detach(),
            "real_recognised": (real > BORDER[kind]).float().mean(),
            "generated_recognised": (generated <= BORDER[kind]).float().mean(),
        }

    def speak(self, rivals: Rivals) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The generator's adversarial loss and its distance in features, both unweighted."""
        found = self.discriminator(rivals.frames, rivals.generated)
        with torch.no_grad():
            true = self.discriminator(rivals.frames, rivals.real)
        return generator_loss(self.config.loss, found.scores), feature_matching(true.features, found.features)

    def step(self, batch: Batch, logits: Float[Tensor, "n c h w"], strength: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Let the discriminator learn; what the generator's loss gains at this ``strength``, 0..1, and what to log."""
        rivals = self.rivals(batch, logits)
        told = self.learn(rivals)
        if strength == 0:
            return torch.zeros((), device=logits.device), told
        adversarial, matching = self.speak(rivals)
        told |= {"adversarial_loss": adversarial.detach(), "matching_loss": matching.detach()}
        return strength * (self.config.weight * adversarial + self.config.matching * matching), told


class Adversarial(Supervised):
    """Supervised training whose loss also holds what a discriminator says, after a warm-up.

    Over the share ``warm_up`` of the training there is only the supervised loss. Over ``head_start`` the discriminator
    learns too, and is not yet listened to; over ``ramp`` its weight rises from nothing to the whole.

    Lightning optimises the generator, as without an adversary: so clipping, precision, schedule, averaging and the
    count of steps stay what they are. The discriminator takes its own step inside of the generator's; its weights are
    part of the module's, and its optimiser of the saved state.
    """

    columns = (
        "adversarial_loss",
        "matching_loss",
        "discriminator_loss",
        "real_recognised",
        "generated_recognised",
    )

    def __init__(
        self,
        model: SegmentationModel,
        loss: MultiTask,
        optimiser: OptimiserConfig,
        steps: int,
        seed: int,
        classes: tuple[str, ...],
        adversary: Adversary,
    ) -> None:
        super().__init__(model, loss, optimiser, steps, seed, classes)
        self.adversary = adversary
        self._state: dict[str, object] | None = None

    def trained_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All but the discriminator's, which has its own optimiser."""
        return (told for told in super().trained_parameters() if not told[0].startswith("adversary."))

    def on_fit_start(self) -> None:
        """Make the discriminator's optimiser, where its weights are on their device by now."""
        self.adversary.begin(self._state)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch, after a step of the discriminator; raise `TrainingError` where it is not a number."""
        output, loss = self.supervised(batch)
        config, done = self.adversary.config, self.global_step / self.steps
        if done < config.warm_up:
            return loss
        gain, told = self.adversary.step(batch, output.logits, config.strength(done))
        if not torch.isfinite(gain):
            raise TrainingError(
                f"step {self.global_step}: the adversary's loss is {gain.item()}; lower adversary.learning_rate or "
                "adversary.weight"
            )
        self.log_dict(told, on_step=True, prog_bar=False)
        return loss + gain

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Save the discriminator's optimiser beside the rest."""
        if self.adversary.optimiser is not None:
            checkpoint[STATE] = self.adversary.optimiser.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Keep the discriminator's optimiser's state until it is made."""
        state = checkpoint.get(STATE)
        self._state = state if isinstance(state, dict) else None


def build_adversary(config: TrainConfig, classes: int) -> Adversary | None:
    """The adversary of a training, its weights drawn by the seed; None for a training without one."""
    if config.adversary.weight == 0:
        return None
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return Adversary(config.adversary, classes)


def _average_gradients(discriminator: Discriminator) -> None:
    """Over the devices, where there are several: they all take the same step."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        for parameter in discriminator.parameters():
            if parameter.grad is not None:
                torch.distributed.all_reduce(parameter.grad)
                parameter.grad /= torch.distributed.get_world_size()
