"""What `muster up --demo` does where it cannot find out whether there are people."""

import httpx
import pytest

from shared.dev_stack import demo
from shared.settings import Settings


@pytest.mark.parametrize("answer", [httpx.Response(503), httpx.ReadTimeout("late")], ids=["503", "no answer"])
async def test_where_nobody_says_whether_there_are_people_none_are_added(monkeypatch, capsys, tmp_path, answer):
    """Nor does `muster up` end by it."""

    def give(_):
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx.AsyncClient(base_url="http://read", transport=httpx.MockTransport(give))
    monkeypatch.setattr(demo, "http_client", lambda *_, **__: client)

    await demo.fill(None, Settings.load({"MUSTER_HOME": str(tmp_path)}), read="http://read", environ={}, logs=tmp_path)

    said = "demo: the read API does not say whether there are people, so nothing was changed; start it again\n"
    assert capsys.readouterr().err == said
