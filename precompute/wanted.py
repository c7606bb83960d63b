"""What a recipe may want to be computed from the stored weights: maps, embeddings, patterns, curves. No torch here."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from precompute import catalogue


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


class Artifacts(Section):
    """What is computed from the stored weights; changing it never trains again."""

    saliency: Saliency | None = Field(default_factory=Saliency, description="saliency maps")
    embedding: Embedding | None = Field(None, description="features, their neighbours, and t-SNE maps of them")
    network: Network | None = Field(None, description="activations of all filters, and patterns of them")
    simulation: Simulation | None = Field(None, description="curves of each class along each change of its images")
