"""Whatever is sent, and however it is projected: commands and views answer as a small model of the directory says."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings

from tests.contract.whole_directory.comparison import Comparison
from tests.contract.whole_directory.directory_lives import Commands, Feed, endings, lives
from tests.contract.whole_directory.play import Play, memory_stage, real_stage
from tests.support.examples import examples

ANYHOW = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@asynccontextmanager
async def stage_on(adapters, request):
    if adapters == "memory":
        async with memory_stage() as stage:
            yield stage
        return
    server = request.getfixturevalue("valkey").start()
    async with real_stage(request.getfixturevalue("database_url"), server.url) as stage:
        yield stage


async def play_and_compare(stage, life, ending):
    """Commands, batches and fan-outs of any size, torn commits, and looks in between; in the end at everything."""
    await stage.clear()
    play = Play(stage)
    comparison = Comparison(play)
    for step in life:
        match step:
            case Commands():
                await play.send(step)
            case Feed():
                await play.feed(step)
            case _:
                await comparison.look(step)
    await play.feed_all()
    await comparison.finish(ending)


async def play_lives(stage, how):
    """Have hypothesis make lives in a thread, because it waits for each of them; says how many there were."""
    loop, count = asyncio.get_running_loop(), 0

    @how
    @given(life=lives, ending=endings)
    def play(life, ending):
        nonlocal count
        count += 1
        try:
            asyncio.run_coroutine_threadsafe(play_and_compare(stage, life, ending), loop).result()
        except Exception as error:
            error.add_note(f"life = {life}\nending = {ending}")
            raise

    await asyncio.to_thread(play)
    return count


@pytest.mark.parametrize("adapters", ["memory", "servers"])
async def test_everything_answers_as_the_model_says(adapters, request):
    """On the adapters in memory, and on PostgreSQL and Valkey."""
    async with stage_on(adapters, request) as stage:
        assert await play_lives(stage, settings(ANYHOW, max_examples=examples(8)))


@pytest.mark.soak
async def test_everything_answers_as_the_model_says_for_long(request, capsys):
    """For `--soak-minutes`, three of four lives on servers."""
    ends = time.monotonic() + 60 * request.config.getoption("--soak-minutes")
    lives_on = {"memory": 0, "servers": 0}
    while time.monotonic() < ends:
        for adapters, number in (("memory", 25), ("servers", 75)):
            async with stage_on(adapters, request) as stage:
                lives_on[adapters] += await play_lives(stage, settings(ANYHOW, max_examples=number, derandomize=False))
    with capsys.disabled():
        print(f"\nno difference in {lives_on}")  # noqa: T201 - it is what the soak was run for
