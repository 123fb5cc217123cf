"""Convolutional nets: stages of convolutions over a grid, each followed by a pool; TCNs over time.

Sources: LeCun et al. 1998; He et al. 2016 (residual); Liu et al. 2022 (ConvNeXt); Bai et al. 2018
(TCN); Kim 2014 (widths side by side); Jordan 2024 (whitening, partial identity). The blocks lie in
`nn/convolution.py` and `nn/text_convolution.py`.
Dimensions: b batch, c channels, h height, w width, t places, d features.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import ClassVar, final

from netwright.models import _waves as _wave_trunks
from netwright.models._convolved import LevelsTrunk, PhrasesTrunk
from netwright.models._grids import GridTrunk
from netwright.models._growing import GrowingTrunk
from netwright.models._stages import Config, Stage, remains
from netwright.models.base import Structure, StructureConfig, Trunk
from netwright.nn.heads import HeadConfig
from netwright.nn.stems import StemConfig
from netwright.nn.text_convolution import SideBySide
from netwright.specs import Classes, Form, Image, Layout, Plan, Refusal, Vector


def _airbench(*widths: int) -> tuple[Stage, ...]:
    """Groups of convolution, pool, norm, GELU, convolution, norm, GELU (Jordan 2024, section 2)."""
    groups = [(Stage(width=w, pool="max"), Stage(width=w)) for w in widths]
    return tuple(stage for group in groups for stage in group)


@final
class Cnn(Structure):
    """Convolutions over a grid, or dilated ones along a sequence."""

    Config = Config
    carries: ClassVar[bool] = True  # along a sequence its windows have a constant size
    presets: ClassVar[Mapping[str, StructureConfig]] = {
        # The textbook net: 93,322 parameters from 28 x 28 x 1 to 10 classes. It pools before the
        # ReLU: the same function, for a quarter of the ReLU's work.
        "classic": Config(
            stages=(
                Stage(width=32, pool="max", padding=False),
                Stage(width=64, pool="max", padding=False),
                Stage(width=64, padding=False),
            ),
            norm="none",
            pool_first=True,
            head=HeadConfig(pooling="flatten", hidden=(64,)),
        ),
        "tiny": Config(
            stages=(Stage(width=8, pool="max"), Stage(width=16, pool="max"), Stage(width=16)),
            levels=2,
            stem=StemConfig(width=16),
        ),
        "small": Config(
            stages=(Stage(width=32, pool="max"), Stage(width=64), Stage(width=64, pool="max")),
            activation="gelu",
            pool_first=True,
            whiten=2,
            dirac=True,
        ),
        "base": Config(
            stages=_airbench(32, 128, 128),
            activation="gelu",
            pool_first=True,
            whiten=2,
            dirac=True,
            levels=7,
            stem=StemConfig(width=128),
            head=HeadConfig(pooling="max", scale=1 / 9),
        ),
        "residual": Config(
            stages=(
                Stage(width=32, kind="residual", pool="max"),
                Stage(width=64, kind="residual", pool="max"),
                Stage(width=64, kind="residual"),
            ),
        ),
        "convnext": Config(
            stages=(
                Stage(width=32, kind="convnext", kernel=7, pool="stride"),
                Stage(width=64, kind="convnext", kernel=7, blocks=2),
            ),
            norm="layer",
            activation="gelu",
        ),
        # Dilations 1, 2, ..., 128: a place sees 1,021. Norms are of each place alone, so nothing
        # leaks along time. 8 x 98,816 + 256 in the trunk; with 65 symbols 807,489 in all.
        "language": Config(levels=8, activation="gelu", stem=StemConfig(width=128)),
        # The textbook pair (Radford et al. 2016, section 3), for sides that 8 divides.
        "dcgan-generator": Config(
            stages=tuple(Stage(width=w, kernel=4, pool="stride") for w in (64, 128)),
            activation="leaky_relu",
            stem=StemConfig(width=256),
            head=HeadConfig(growth=2),
        ),
        "dcgan-discriminator": Config(
            stages=tuple(Stage(width=w, kernel=4, pool="stride") for w in (64, 128, 256)),
            norm="none",
            activation="leaky_relu",
            head=HeadConfig(pooling="flatten"),
        ),
        # Either player (Miyato et al. 2018; Zhang et al. 2018): residual stages, attention at half
        # the sides, every weight by its largest singular value.
        "sagan": Config(
            stages=(
                Stage(width=32, kind="residual", pool="mean"),
                Stage(width=64, kind="residual", pool="mean", attention=True),
                Stage(width=64, kind="residual"),
            ),
            norm="none",
            stem=StemConfig(width=64),
            spectral=True,
        ),
        # Either player (Huang et al. 2025, section 4), for pictures of 8 to 32 pixels.
        "r3gan": Config(
            stages=(
                Stage(width=32, kind="grouped", pool="mean"),
                Stage(width=64, kind="grouped", blocks=2, pool="mean"),
                Stage(width=64, kind="grouped"),
            ),
            norm="none",
            activation="leaky_relu",
            groups=16,
            stem=StemConfig(width=64),
        ),
        # Kim 2014, section 3.1, with 64 channels for 100.
        "text": Config(
            widths=(3, 4, 5),
            channels=64,
            stem=StemConfig(width=128),
            head=HeadConfig(pooling="max", dropout=0.5),
        ),
    }

    def layouts(self, form: Form, output: Form) -> Sequence[Layout] | Refusal:
        """Pictures as a grid, tokens and frames as a sequence."""
        if isinstance(form, Image):
            return ("grid",)
        if isinstance(form, Classes) or (
            isinstance(form, Vector) and isinstance(output, Classes | Vector)
        ):
            return Refusal(
                "a convolution needs neighbours, but numbers in a row of a table have none"
            )
        return ("grid",) if isinstance(output, Image) else ("sequence",)

    def trunk(self, config: StructureConfig, plan: Plan) -> Trunk | Refusal:
        """Stages on a grid, dilated levels along a sequence."""
        assert isinstance(config, Config)
        if plan.memory is not None:
            return Refusal("a convolution does not attend to a context")
        if plan.scale == "grow" and plan.layout == "grid":
            return GrowingTrunk(config, plan.width)
        if plan.layout == "sequence":
            return _along(config, plan)
        if config.widths:
            return Refusal(
                "convolutions side by side slide along a sequence, and a picture is a grid; take "
                "stages (widths: none)"
            )
        keep = plan.scale == "keep"
        even = [stage.kernel for stage in config.stages if stage.kernel % 2 == 0]
        if keep and even:
            return Refusal(
                f"a kernel of {even[0]} has no middle, so places would not stay in place"
            )
        if not keep and min(remains(config, side) for side in plan.size) < 1:
            least = next(side for side in count(1) if remains(config, side) >= 1)
            height, width = plan.size
            return Refusal(
                f"a picture of {height} x {width} is too small: this net halves and trims it, "
                f"and needs at least {least} x {least}"
            )
        return GridTrunk(config, plan.width, keep=keep)


def _along(config: Config, plan: Plan) -> Trunk | Refusal:
    """Dilated levels, strided stages, or widths side by side."""
    if plan.positions == "free" and config.head.pooling == "class_token":
        return Refusal("a class token read by convolutions would see its neighbours alone")
    if config.waves:
        return _waves(config, plan)
    if not config.widths:
        return LevelsTrunk(
            plan.width,
            config.levels,
            causal=plan.positions == "causal",
            activation=config.activation,
            dropout=config.dropout,
        )
    if plan.positions == "causal":
        return Refusal(
            "convolutions side by side look ahead and see one phrase; what comes next is "
            "read by levels (widths: none)"
        )
    phrases = SideBySide(plan.width, config.widths, config.channels, config.activation)
    return PhrasesTrunk(phrases, config.dropout)


def _waves(config: Config, plan: Plan) -> Trunk | Refusal:
    if plan.scale == "grow":
        stages = tuple(reversed(config.waves))
        return _wave_trunks.GrowingTrunk(plan.width, stages, activation=config.activation)
    if plan.positions != "free":
        return Refusal("strided stages along a wave form give one place for many (waves: none)")
    return _wave_trunks.ShrinkingTrunk(
        plan.width, config.waves, activation=config.activation, shuffle=config.shuffle
    )


structure = Cnn()
