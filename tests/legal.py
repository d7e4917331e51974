"""Records held against the schema that the crawler prints for them."""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from crawler.store.record import schema


def check(record: Any) -> None:
    """Raise ValidationError unless `record`, read from JSON, is legal by the schema."""
    _validator().validate(record)


@cache
def _validator() -> Any:  # `jsonschema.validate` would check the schema for each record, for 50 ms
    return Draft202012Validator(schema())
