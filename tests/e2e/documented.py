"""Problems that an operation answers are among those that its document names."""


def require_named(document, case, answer):
    """Nothing else may keep a client from what it wanted."""
    if answer.status_code < 400:
        return
    name = answer.json()["type"].removeprefix("/problems/")
    responses = document["paths"][case.operation.path][case.method.lower()]["responses"]
    content = responses[str(answer.status_code)]["content"]["application/problem+json"]

    assert name in content["examples"]
