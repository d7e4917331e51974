"""The spelling of a configuration class's options: flags, TOML keys, environment variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from crawler.model.option import Option, Options
from crawler.model.value import value

if TYPE_CHECKING:
    from cyclopts import Group

C = TypeVar("C", bound=Options)


@value(frozen=True, slots=True, kw_only=True)
class Spelling(Generic[C]):
    """The spelling of a configuration class's options in TOML, environment and help.

    table: their TOML table. prefix: the prefix of environment variables. use: the command that
    reads the file. example: an option for explanations. defaults: those that differ on the command
    line. lead: groups of flags that come before the class's own sections. unset: options whose
    default means "not given", with the error text for setting them to it.
    """

    config: type[C]
    table: str
    prefix: str
    use: str
    example: str
    defaults: Mapping[str, object] = field(default_factory=dict)
    lead: tuple[str, ...] = ()
    unset: Mapping[str, str] = field(default_factory=dict)

    @property
    def options(self) -> Mapping[str, Option]:
        """Every option by name, in the order of the fields."""
        return self.config.options()

    def variable(self, name: str) -> str:
        """Return an option's environment variable: `CRAWLER_PER_HOST`."""
        return self.prefix + name.upper()

    def default(self, spec: Option) -> Any:
        """Return the option's default on the command line."""
        return self.defaults.get(spec.name, spec.default)

    def check(self, spec: Option, value: object) -> Any:
        """Return a given value in the option's own type; raises `OptionError`."""
        checked = spec.check(value)
        if not self.written(spec, checked):
            raise spec.fail(self.unset[spec.name])
        return checked

    def read(self, spec: Option, texts: Sequence[str]) -> Any:
        """Return the value of a flag that was given so often: a list has each, others the last."""
        return self.check(spec, texts if spec.type == tuple[str, ...] else texts[-1])

    def written(self, spec: Option, value: object) -> bool:
        """Return whether a value can be written down, as opposed to one that means "not given"."""
        return spec.name not in self.unset or value != spec.default

    def group(self, section: str) -> Group:
        """Return the help's group for a section; the leading ones come first."""
        from cyclopts import Group  # for help alone

        sections = [*self.lead, *(spec.section for spec in self.options.values())]
        return Group(section, sort_key=sections.index(section))
