"""The conformance kit as tests, which pytest finds automatically if Segue is installed.

``pytest --segue-conform acme``, or ``segue_conform = acme`` in the configuration of pytest: one pytest test for each
test of the kit, without test code. Every run of pytest imports this module, so it imports only pytest until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conformance import Item, Origin, Report, Result

_OPTION: Final = "segue_conform"
_REPORTS: Final = pytest.StashKey[dict[str, "Report"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the command-line option, and the same option in the configuration of pytest."""
    parser.getgroup("segue").addoption(
        "--segue-conform",
        action="append",
        default=[],
        metavar="NAME",
        help="Run the tests of Segue's conformance kit for this provider. Repeatable.",
    )
    parser.addini(_OPTION, "Providers that Segue's conformance kit tests.", type="args")


@pytest.hookimpl(tryfirst=True)  # so that -k and -m choose among these too
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of the selected providers."""
    targets = list(dict.fromkeys([*config.getini(_OPTION), *(config.getoption(_OPTION) or ())]))
    if not targets:
        return
    from ..errors import ConfigError
    from .conformance import origins_of

    for target in targets:
        try:
            origins = origins_of(target)
        except ConfigError as error:
            raise pytest.UsageError(str(error)) from error
        for origin in origins:
            collector = ConformanceCollector.from_parent(session, name=f"conform/{target}", origin=origin)
            collector.ihook.pytest_collectstart(collector=collector)
            report = collector.ihook.pytest_make_collect_report(collector=collector)
            collector.ihook.pytest_collectreport(report=report)
            items += report.result


class ConformanceCollector(pytest.Collector):
    """The tests of one provider."""

    def __init__(self, *, origin: Origin, name: str, **kwargs: Any) -> None:
        super().__init__(name, nodeid=name, **kwargs)
        self.origin = origin

    def collect(self) -> list[pytest.Item]:
        """One pytest test for each test of the kit."""
        from .conformance import all_items

        return [ConformanceTest.from_parent(self, name=one.name, item=one) for one in all_items()]

    def result(self, item: Item) -> Result:
        """The result of a test; the first call runs all selected tests."""
        reports = self.config.stash.setdefault(_REPORTS, {})
        report = reports.get(self.name)
        if report is None or all(result.item != item.name for result in report.results):
            from .conformance import conform

            report = reports[self.name] = conform(self.origin, items=list(self._wanted(item)))
        return next(result for result in report.results if result.item == item.name)

    def _wanted(self, item: Item) -> Iterator[str]:
        """The names of the items of this provider that this run has."""
        yield item.name
        for other in self.session.items:
            if isinstance(other, ConformanceTest) and other.parent is self and other.name != item.name:
                yield other.name


class ConformanceTest(pytest.Item):
    """One test of one provider."""

    parent: ConformanceCollector

    def __init__(self, *, item: Item, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.item = item

    def runtest(self) -> None:
        """Get the result and report it."""
        result = self.parent.result(self.item)
        match result.outcome:
            case "failed":
                raise NotConformingError(result.reason)
            case "expected":
                pytest.xfail(result.reason)
            case "not applicable":
                pytest.skip(result.reason)
            case "passed":
                pass

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The sentence that is not true, and the reason; the frames of the kit are left out."""
        if isinstance(excinfo.value, NotConformingError):
            return f"{self.item.sentence}\nFailed: {excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, None, str]:
        """The place in the report: the provider, because the test is not in a file."""
        return self.parent.name, None, f"{self.parent.name}: {self.name}"


class NotConformingError(Exception):
    """A test failed; the message is the reason."""
