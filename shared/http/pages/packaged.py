"""The pages of one package: templates, a stylesheet and scripts, which lie beside its modules."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from litestar import Response, get

from shared.http.pages.answers import ASSET_HEADERS, FORM_HEADERS
from shared.http.pages.documentation import STYLE, linked
from shared.http.pages.site_map import SiteMap, site_map_of
from shared.http.pages.templating import templates_of
from shared.http.requests import AnyRequest, root_of


class PackagedPages:
    """
    Makes pages, and serves what they load.

    :param folder: the path below which that is served.
    """

    def __init__(self, package: str, folder: str, stylesheet: str, *scripts: str) -> None:
        self.stylesheet = f"{folder}/{stylesheet}"
        self.templates = templates_of(package)
        self.templates.globals["stylesheet"] = self.stylesheet
        read = files(package).joinpath
        content = {stylesheet: STYLE.encode() + read(stylesheet).read_bytes()}
        content |= {name: read(name).read_bytes() for name in scripts}
        self.paths = frozenset(f"/{folder}/{name}" for name in content)
        self.handlers = [_served(f"/{folder}/{name}", each) for name, each in content.items()]

    def html(self, template: str, *, site: SiteMap, **context: Any) -> bytes:
        """Make a page; its links are relative to `ROOT`."""
        return self.templates.get_template(template).render(site=site, **context).encode()

    def answer(
        self,
        request: AnyRequest,
        template: str,
        *,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> Response[bytes]:
        """Answer with a page."""
        page = linked(self.html(template, site=site_map_of(request), **context), root_of(request.scope))
        return Response(
            page, media_type="text/html", status_code=status_code, headers={**FORM_HEADERS, **(headers or {})}
        )


def _served(path: str, content: bytes) -> Any:
    @get(path)
    async def served() -> Response[bytes]:
        return Response(content, media_type=_MEDIA_TYPES[path.rpartition(".")[2]], headers=ASSET_HEADERS)

    return served


_MEDIA_TYPES = {"css": "text/css", "js": "text/javascript"}
