"""A rebuild whose projector is killed with -9 again and again, while people write and read: it ends right."""

from tests.faults.operator import Operator
from tests.faults.under_load import under_load
from tests.support.patience import until
from tests.support.sessions import log_held
from tests.support.stack import Child


async def test_a_rebuild_is_taken_up_by_the_next_projector(mortal_stack):
    """
    Killed in replay, for which the log is held up; then once all is replayed: in comparison, switch or shortly after.

    No answer is wrong or from before what was promised; one that asks for more than is projected may be refused.
    """
    async with Operator(mortal_stack) as operator, under_load(mortal_stack, seed=700) as (load, readers):
        await load.grown(by=20)
        with log_held(mortal_stack.addresses.database_url):
            await load.grown(by=20)
            ordered = await operator.post("rebuild", keep_old=3600)
            await until(lambda: operator.is_in("replaying"))
            killed = mortal_stack.kill(Child.PROJECT)
        await mortal_stack.back(Child.PROJECT, instead_of=killed)
        await until(lambda: operator.is_live(ordered["building"]))

        again = await operator.post("rebuild", keep_old=3600)
        await until(lambda: operator.is_in("comparing", "switching", None))
        killed = mortal_stack.kill(Child.PROJECT)
        await mortal_stack.back(Child.PROJECT, instead_of=killed)
        await until(lambda: operator.is_live(again["building"]))

    assert set(readers.answers) <= {200, 503}


async def test_nobody_notices_a_rebuild(mortal_stack):
    """
    Nor a switch back: each reader gets what it asked for, however often the generation changes meanwhile.

    One that asks for the newest may be told to come again where the machine is too busy to project it in time.
    """
    async with Operator(mortal_stack) as operator, under_load(mortal_stack, seed=790) as (load, readers):
        await load.grown(by=20)
        ordered = await operator.post("rebuild", keep_old=3600)
        await until(lambda: operator.is_live(ordered["building"]))
        back = await operator.post("rollback")
        await until(lambda: operator.is_live(back["live"]))
        await load.grown(by=20)

    assert load.troubles == {}
    assert set(readers.refusals) <= {"/problems/projection-behind"}
    assert readers.taken_back == []
