"""What a recipe may want to be computed from the stored weights: maps, embeddings, patterns, curves. No torch here."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from precompute import catalogue
from precompute.roar.cells import CONTROLS, REPLACEMENTS


class Section(BaseModel):
    # defaults are checked too, so that 0 and 0.0 give one digest
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Saliency(Section):
    """Which maps are computed, for every evaluated image and every kept epoch."""

    techniques: tuple[str, ...] = Field(
        ("cam", "grad-cam", "grad-cam++", "smooth-grad-cam++"), description="names of saliency techniques"
    )
    layers: tuple[str, ...] = Field(
        ("auto",), description="target layers by name; auto: the deepest with a map of 7×7 or more"
    )
    cases: int = Field(
        3,
        ge=0,
        le=50,
        description="images per class, wrongly taken for it, whose maps for that class are kept over all epochs",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="arithmetic of the maps")
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="options of single techniques, by their name"
    )

    @model_validator(mode="after")
    def known(self) -> Self:
        for name in (*self.techniques, *self.options):
            catalogue.entry(catalogue.TECHNIQUES, name, "saliency technique")
        return self

    def of(self, technique: str) -> dict[str, Any]:
        """All options of one technique, defaults filled in."""
        return (
            catalogue.entry(catalogue.TECHNIQUES, technique, "technique")
            .options(**self.options.get(technique, {}))
            .model_dump()
        )


class Embedding(Section):
    """Maps of the features before the last layer, of every evaluated image and every kept epoch."""

    perplexities: tuple[Annotated[int, Field(ge=2, le=1000)], ...] = Field(
        (30, 100),
        min_length=1,
        description="about how many neighbours t-SNE keeps close to each image, a map each; below a third of the images",
    )

    @field_validator("perplexities")
    @classmethod
    def each_once(cls, perplexities: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(perplexities))


Share = Annotated[float, Field(ge=0, le=1)]
Epochs = Literal["last", "kept"]  # of which a costly artifact is made: the last one alone, or every kept one


class Network(Section):
    """What each filter answers to, and the patterns of filters that images share."""

    epochs: Epochs = Field("last", description="epochs looked at: the last one, or every kept one")
    reduction: Literal["mean", "max"] = Field(
        "mean", description="how a filter's map becomes one number: its mean or its largest value"
    )
    z_scored: bool = Field(
        True,
        description="compare filters by how far they are above their own mean, so that large ones do not always win",
    )
    gapped: bool = Field(False, description="also patterns that skip layers (closed ones)")
    support: int = Field(5, ge=2, description="images a pattern must have at least; the paper: more than four")
    length: int = Field(2, ge=2, le=16, description="layers a pattern must have at least")
    most: int = Field(10_000, ge=1, le=100_000, description="patterns kept, those of the largest support first")
    permutations: int = Field(199, ge=0, le=9999, description="shuffled data sets behind each p-value; 0: none")


class Simulation(Section):
    """How each class fares along each change of its images."""

    epochs: Epochs = Field("last", description="epochs looked at: the last one, or every kept one")
    images: Literal["all"] | int = Field("all", description="evaluated images changed: all, or this many per class")
    changes: tuple[str, ...] = Field(tuple(catalogue.TRANSFORMS), min_length=1, description="names of changes")

    @model_validator(mode="after")
    def known(self) -> Self:
        for name in self.changes:
            catalogue.entry(catalogue.CHANGES, name, "change")
        if isinstance(self.images, int) and self.images < 1:
            raise ValueError('images must be "all" or a number of images per class, 1 or more')
        return self


class Sanity(Section):
    """Checks of the saliency techniques themselves: shifted inputs, networks drawn anew, noise, earlier epochs."""

    epochs: Epochs = Field("last", description="epochs looked at: the last one, or every kept one")
    images: int = Field(
        100, ge=1, le=2000, description="evaluated images that are shifted and made noisy, spread evenly over all"
    )
    strength: float = Field(
        -1.0, ge=-2, le=2, description="shift of the input, in ranges of its values; of a noise image its deviation"
    )
    randomised: int = Field(
        40, ge=1, le=2000, description="evaluated images, spread likewise, that are looked at with layers drawn anew"
    )
    stages: int = Field(8, ge=1, le=100, description="groups of layers drawn anew, at most")
    draws: int = Field(3, ge=3, le=100, description="how often layers and noise are drawn; medians need three")
    noise: float = Field(
        0.05, ge=0, le=1, description="standard deviation of the noise on the images, as a share of their value range"
    )
    earlier: int = Field(3, ge=0, le=100, description="kept epochs before, with whose maps the maps are compared")


class Attention(Section):
    """How much of each map lies on the object, its parts, or in regions given here; and how maps change over the epochs."""

    radius: float = Field(
        0.1,
        gt=0,
        le=0.5,
        description="of the disc around a part, as a share of the square root of the box's area (of the image's, where "
        "there is no box)",
    )
    regions: dict[str, tuple[Share, Share, Share, Share]] = Field(
        default_factory=dict,
        description="rectangles of your own by name: left, top, right, bottom, as shares of the image's sides",
    )

    @field_validator("regions")
    @classmethod
    def inside_out(cls, regions: dict[str, tuple[Share, Share, Share, Share]]) -> dict[str, tuple[Share, ...]]:
        if wrong := [name for name, (x0, y0, x1, y1) in regions.items() if x0 >= x1 or y0 >= y1]:
            raise ValueError(
                f"left must be less than right and top less than bottom, which is not so of: {', '.join(wrong)}"
            )
        return dict(sorted(regions.items()))


class Roar(Section):
    """Remove and Retrain: pixels that a technique calls important are removed, and the network is trained again."""

    techniques: tuple[str, ...] = Field(
        ("integrated-gradients",), description="names of saliency techniques whose ranking is followed"
    )
    controls: tuple[str, ...] = Field(
        tuple(CONTROLS), description="rankings that ask no network: " + ", ".join(CONTROLS)
    )
    fractions: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.1, 0.3, 0.5, 0.7, 0.9), min_length=1, description="shares of the pixels that are removed"
    )
    seeds: int = Field(5, ge=1, le=100, description="trainings of each point, the first with the run's own seed")
    retrained: tuple[str, ...] = Field(
        ("mean",), description="what stands for removed pixels where the network is trained again; none: no retraining"
    )
    not_retrained: tuple[str, ...] = Field(
        ("mean", "noisy-linear"), description="what stands for them where the run's own network looks at them"
    )
    explained: Literal["predicted", "true"] = Field(
        "predicted", description="class whose map ranks the pixels; true puts the label into the test images"
    )
    layer: str = Field("auto", description="target layer of techniques that have one; auto: the run's default")
    epochs: int | None = Field(
        None, ge=1, le=10_000, description="passes of each retraining; none given: as many as the run's own"
    )
    train_images: Literal["all"] | int = Field("all", description="training images: all, or this many per class")
    test_images: Literal["all"] | int = Field("all", description="test images: all, or this many per class")
    companions: int = Field(
        100, ge=0, le=10_000, description="test images for deletion, insertion, infidelity and sensitivity; 0: none"
    )
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="options of single techniques, by their name"
    )

    @model_validator(mode="after")
    def known(self) -> Self:
        for name in (*self.techniques, *self.options):
            catalogue.entry(catalogue.TECHNIQUES, name, "saliency technique")
        for name in self.controls:
            catalogue.entry(CONTROLS, name, "control")
        for name in (*self.retrained, *self.not_retrained):
            catalogue.entry(REPLACEMENTS, name, "replacement")
        if fixed := [name for name, options in self.options.items() if "channels" in options]:
            raise ValueError(f"options.{fixed[0]}.channels cannot be set: pixels are put in order by magnitude")
        few = (self.train_images, self.test_images)
        if any(isinstance(images, int) and images < 1 for images in few):
            raise ValueError('train_images and test_images must be "all" or a number of images per class, 1 or more')
        return self

    def of(self, technique: str) -> dict[str, Any]:
        """All options of one technique, defaults filled in."""
        return catalogue.TECHNIQUES[technique].options(**self.options.get(technique, {})).model_dump()

    def ranking(self, technique: str) -> dict[str, Any]:
        """Those its ranking is made with: colours count by their magnitudes, as the paper has it."""
        found = self.of(technique)
        return found | {"channels": "magnitude"} if "channels" in found else found


class Artifacts(Section):
    """What is computed from the stored weights; changing it never trains again."""

    saliency: Saliency | None = Field(default_factory=Saliency, description="saliency maps")
    embedding: Embedding | None = Field(None, description="features, their neighbours, and t-SNE maps of them")
    network: Network | None = Field(None, description="activations of all filters, and patterns of them")
    simulation: Simulation | None = Field(None, description="curves of each class along each change of its images")
    attention: Attention | None = Field(
        default_factory=Attention, description="shares of the saliency maps in regions, and how maps change"
    )
    sanity: Sanity | None = Field(None, description="checks of the saliency techniques themselves")
    roar: Roar | None = Field(None, description="remove and retrain: accuracy after important pixels are gone")
