"""The pages of a task are found by its name."""

import pytest

from relx.faults import InputError
from relx.look.relation.eda.page import write_eda
from relx.look.task_pages import task_page


def test_a_page_is_found_in_the_room_of_its_task():
    assert task_page("relation", "eda.page").write_eda is write_eda


def test_a_task_that_nobody_knows_is_named_with_the_nearest():
    with pytest.raises(InputError, match="there is no such task") as found:
        task_page("relatoin", "eda.page")
    (fault,) = found.value.faults
    assert (fault.received, fault.next_step) == ("relatoin", "did you mean relation?")


@pytest.mark.parametrize("page", ["poem", "poem.page"])
def test_a_page_that_a_task_does_not_have_is_refused(page):
    with pytest.raises(InputError, match="this task has no page poem"):
        task_page("relation", page)
