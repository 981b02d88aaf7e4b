"""The records that a plugin registers: components, specs of other components, and the builder's interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, get_args, runtime_checkable

if TYPE_CHECKING:
    from flowzoo.bijector import ConditionalBijector
    from flowzoo.network import Network
    from flowzoo.shapes import Shape
    from flowzoo.split import SplitPolicy
    from flowzoo.transform import ResolutionTransform

Kind = Literal[
    "transform",
    "bijector",
    "split",
    "network",
    "dequantisation",
    "model",
    "dataset",
    "metric",
    "suite",
    "command",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


ROUNDING = 1e-8
"""Tolerance of a component whose errors come from rounding alone."""

LARGEST_TOLERANCE = 1e-3
"""Largest tolerance with a reason: with a larger one, a wrong ``log_det`` could pass as an inexact one."""

LARGEST_OVERLAP = 0.02
"""Largest fraction of a split's images that may be in another split too, with a reason."""


@dataclass(frozen=True)
class Check:
    """A trial of the conformance kit: shapes, options and tolerance.

    Attributes:
        shape: ``(C, H, W)`` of the trial; tiny, since the Jacobian is computed by brute force. For a
            data set: the shape of its images, which the check of suites uses if its files are missing.
        context_shape: Shape of the context, for bijectors and networks that take one.
        options: Options for the trial: few steps, narrow networks, a fixed grid for a solver.
        fixed: Names of options that keep their value while the kit tries other values of each option: those
            that take long, or need something that not every machine has.
        tolerance: Largest allowed error of a round trip and of ``log_det`` in float64. For a data set: the
            largest fraction of a split's images that are in another split too. Above :data:`ROUNDING` it
            needs a reason, and it is at most :data:`LARGEST_TOLERANCE` (a data set's:
            :data:`LARGEST_OVERLAP`).
        reason: Why the tolerance is not at rounding level, or why the component is not exact.
        name: Name of the trial if there are several, such as ``without context``; by default its
            number.
    """

    shape: tuple[int, int, int] = (2, 4, 4)
    context_shape: tuple[int, int, int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    tolerance: float = ROUNDING
    reason: str = ""
    name: str = ""


@dataclass(frozen=True)
class Published:
    """A figure that a paper states.

    Attributes:
        data: The paper's data set, as in ``CIFAR-10``.
        bits_per_dim: Bits/dim as printed.
        source: Short name of the paper.
        variant: The configuration in the paper.
        remark: A remark that is shown with it: that it is not a likelihood, or not credible.
    """

    data: str
    bits_per_dim: float
    source: str
    variant: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Component:
    """An entry of the zoo.

    Attributes:
        kind: One of :data:`KINDS`.
        name: Name in lower case, with hyphens, unique within the kind.
        build: ``"package.module:callable"``, imported only when the component is built. What the callable
            gets by position is set by the kind (see :class:`Builder`). Its keyword-only parameters
            are the component's options. Annotations and defaults are checked and shown. Options that belong
            together may be fields of a dataclass instead: the callable itself, or the annotation of its
            one keyword-only parameter ``options``. The dataclass's keyword-only fields are then the options.
        summary: One line for lists.
        reference: The paper or document that it follows.
        revision: A number that is raised if the component computes something else than before with the same
            options.
        exact: Whether it is a bijection with an exact ``log_det``; False for a stochastic transform.
        check: Trials of the conformance kit, one or several.
        published: Published figures.
        defaults: Options of a callable that several components use, each with this component's default. The
            component has only these options; the callable's other options keep the callable's defaults.
        presets: Options by the name of a preset, such as the settings of a paper. ``preset=NAME`` is given
            like an option, and what is given beside it changes it.
        example: For a command: an example of its use, shown below its help.
    """

    kind: Kind
    name: str
    build: str
    summary: str
    reference: str = ""
    revision: int = 1
    exact: bool = True
    check: Check | tuple[Check, ...] = field(default_factory=Check)
    published: tuple[Published, ...] = ()
    defaults: Mapping[str, Any] | None = None
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    example: str = ""

    @property
    def checks(self) -> tuple[Check, ...]:
        """The trials of the conformance kit, at least one."""
        return (self.check,) if isinstance(self.check, Check) else self.check


@dataclass(frozen=True)
class Spec:
    """A component by name, with options: the default of an option that takes a component.

    >>> Spec("cnf", blocks=2).options["blocks"]
    2
    """

    name: str
    options: Mapping[str, Any]

    def __init__(self, name: str, /, **options: Any) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "options", MappingProxyType(dict(options)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a module with a spec be copied, although the view of its options cannot be."""
        return _spec_of, (self.name, dict(self.options))


def _spec_of(name: str, options: Mapping[str, Any]) -> Spec:
    return Spec(name, **options)


@dataclass(frozen=True)
class Refers:
    """Marks, in an annotation, the kind of component that a :class:`Spec` names."""

    kind: Kind

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Let pydantic pass the value to ``info.context``, which has the registry and returns a Spec."""
        from pydantic_core import core_schema

        def resolve(value: Any, info: Any) -> Spec:
            spec: Spec = info.context(self.kind, value)
            return spec

        def plain(spec: Spec) -> dict[str, Any]:
            return {"name": spec.name, **spec.options}

        return core_schema.with_info_plain_validator_function(
            resolve, serialization=core_schema.plain_serializer_function_ser_schema(plain)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, str]:
        """Use the kind as the type in descriptions of options."""
        return {"type": self.kind}


TransformSpec = Annotated[Spec, Refers("transform")]
BijectorSpec = Annotated[Spec, Refers("bijector")]
SplitSpec = Annotated[Spec, Refers("split")]
NetworkSpec = Annotated[Spec, Refers("network")]
DequantisationSpec = Annotated[Spec, Refers("dequantisation")]


@dataclass(frozen=True)
class FilePlace:
    """Marks, in an annotation, an option that says where files are, such as ``root``.

    Files may move: a run stores the option as an absolute path, and accepts a new one later.
    An option annotated with :class:`pathlib.Path` needs no mark.
    """

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Give the option's schema the format that pydantic gives paths."""
        return {**handler(schema), "format": "path"}


@dataclass(frozen=True)
class Added:
    """Marks, in an annotation, an option that was added after results had been recorded.

    Keys of results leave the option out where it has the value that stands for what was computed before, so
    that recorded results keep their keys.

    Attributes:
        before: That value, as plain data.
    """

    before: Any


@runtime_checkable
class Builder(Protocol):
    """Builds other components by name, for a component's builder.

    Its ``bins`` is ``M``, the number of integers that a value of the data can take.

    Positional arguments of a builder, by kind:

    * ``transform``, ``split``: the image shape, the builder;
    * ``bijector``: the shape, the context's shape or None, the builder;
    * ``network``: the input's shape, the number of output channels, the context's shape or None, whether it
      is given a time, the builder;
    * ``dequantisation``: the image shape, the builder;
    * ``model``: the image shape, the builder; it returns the levels, finest first;
    * ``dataset``, ``metric``, ``suite``: nothing.

    The command line calls a ``command``: its callable is a function whose parameters Typer reads, or a
    Typer app.
    """

    @property
    def bins(self) -> int: ...

    def transform(self, spec: Spec, shape: Shape) -> ResolutionTransform: ...

    def split(self, spec: Spec, shape: Shape) -> SplitPolicy: ...

    def bijector(
        self, spec: Spec, shape: Shape, context_shape: Shape | None = None
    ) -> ConditionalBijector: ...

    def network(
        self,
        spec: Spec,
        shape: Shape,
        output_channels: int,
        context_shape: Shape | None = None,
        timed: bool = False,
    ) -> Network: ...
