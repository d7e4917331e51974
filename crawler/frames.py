"""Outcomes as a table of another library: one row for each record."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from crawler.model.document import spliced
from crawler.model.errors import EnvironmentFailure
from crawler.model.extras import install
from crawler.model.outcome import Outcome
from crawler.store.columns import chosen_schema, columns
from crawler.store.parquet_schema import arrow_table
from crawler.store.record import OPTIONAL

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def to_pandas(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Return a data frame with a row for each record.

    Its columns are those of CSV: nested fields have one for each part, `timings.total`. Further
    ones are the parts of optional fields: `selected.price`, `headers.server`.
    """
    pandas = _library("pandas", "to_pandas")
    frame: pd.DataFrame = pandas.json_normalize([outcome.record() for outcome in outcomes])
    fields = [name for name in chosen_schema() if name not in OPTIONAL]
    names = [column.name for column in columns(fields)]
    more = [name for name in frame.columns if name not in {*fields, *names}]
    return frame.reindex(columns=[*names, *more])


def to_arrow(outcomes: Iterable[Outcome]) -> pa.Table:
    """Return an Arrow table with a row for each record, in the schema of Parquet outputs."""
    _library("pyarrow", "to_arrow")
    lines = (spliced(*outcome.halves()) + b"\n" for outcome in outcomes)
    return arrow_table(b"".join(lines), chosen_schema())


def _library(name: str, function: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise EnvironmentFailure(
            f"{function} needs {name}, which is not installed; {install('frames')}"
        ) from error
