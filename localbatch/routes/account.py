"""What an account offers: applications and images."""

from starlette.responses import Response

from localbatch.engine.engine import Engine
from localbatch.routes.answers import JsonResponse
from localbatch.routes.call import Call, Handler
from localbatch.routes.paging import page, page_size, skip_number, skip_token
from localbatch.rules import filters
from localbatch.store.applications import ACTIVE, ApplicationRecord
from localbatch.views.applications import application_view
from localbatch.wire.errors import ServiceError
from localbatch.wire.filters import compile_filter
from localbatch.wire.formats import JsonObject


class AccountRoutes:
    """What can be asked of an account.

    Args:
        engine: what holds the store.
    """

    def __init__(self, engine: Engine) -> None:
        self._applications, self._images = engine.context.store.applications, engine.context.images

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("GET", "/applications", self._list_applications),
            ("GET", "/applications/{application}", self._get_application),
            ("GET", "/supportedimages", self._list_images),
        ]

    async def _list_applications(self, call: Call) -> Response:
        limit = page_size(call)
        found = self._applications.list_all(call.account, after=skip_token(call) or "", limit=limit + 1)
        token = found[limit - 1].id if len(found) > limit else None
        return page(call, "applications", [self._view(application) for application in found[:limit]], token)

    async def _get_application(self, call: Call) -> Response:
        application = self._applications.get(call.account, call.names["application"])
        if application is None:
            raise ServiceError("ApplicationNotFound")
        metadata = f"{call.base_url}/$metadata#applications/@Element"
        return JsonResponse({"odata.metadata": metadata, **self._view(application)})

    def _view(self, application: ApplicationRecord) -> JsonObject:
        packages = self._applications.list_packages(application.account, application.id)
        return application_view(application, [package for package in packages if package.state == ACTIVE])

    async def _list_images(self, call: Call) -> Response:
        passes = compile_filter(call.query.get("$filter", ""), filters.SUPPORTED_IMAGES)
        images = [image for image in self._images.views() if passes(image)]
        limit, begin = page_size(call), skip_number(call)
        token = str(begin + limit) if begin + limit < len(images) else None
        return page(call, "supportedimages", images[begin : begin + limit], token)
