"""A test that asks for `objects` is run over every profile."""

import pytest

import chart


@pytest.fixture(params=chart.PROFILES.values(), ids=chart.PROFILES)
def objects(request):
    """The objects of one profile."""
    return chart.render(request.param)
